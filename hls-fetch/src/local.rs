//! Files of one folder, for playlists that lie on this machine.

use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::task::{Context, Poll};

use bytes::Bytes;
use url::Url;

use crate::error::is_out_of_descriptors;
use crate::{Body, BoxBody, Error, Fetch, FetchFuture, Kind, Request, Response};

/// Serves `file:` URLs from one folder and nothing else; every other URL goes to the transport behind it.
#[derive(Debug)]
pub struct LocalFiles<F> {
    folder: PathBuf,
    other: F,
}

impl<F> LocalFiles<F> {
    /// Allows files inside `folder`, links resolved.
    ///
    /// # Errors
    /// [`Kind::File`] where the folder can't be resolved.
    pub fn inside(folder: &Path, other: F) -> Result<Self, Error> {
        let folder = folder.canonicalize().map_err(|e| {
            Error::new(Kind::File("the folder of the playlist can't be read".into())).caused_by(e)
        })?;
        Ok(Self { folder, other })
    }

    fn open(&self, request: &Request) -> Result<Response, Error> {
        let failed = |what: &str| Error::new(Kind::File(what.into())).at(&request.url);
        let path = request.url.to_file_path().map_err(|()| failed("not the path of a local file"))?;
        let path = path.canonicalize().map_err(|e| failed("the file can't be read").caused_by(e))?;
        if !path.starts_with(&self.folder) {
            return Err(failed("the file is outside the folder of the playlist"));
        }
        let unreadable = |e| match is_out_of_descriptors(&e) {
            true => Error::new(Kind::Descriptors).at(&request.url).caused_by(e),
            false => failed("the file can't be read").caused_by(e),
        };
        // Asked before opening: to open a FIFO is to wait for its writer.
        if !path.metadata().map_err(unreadable)?.is_file() {
            return Err(failed("not a regular file"));
        }
        let mut file = std::fs::File::open(&path).map_err(unreadable)?;
        let size = file.metadata().map_err(unreadable)?.len();
        let (start, end) = request.range.map_or((0, size), |r| (r.start, r.end.unwrap_or(size)));
        if end > size || start > end {
            let got = format!("a file of {size} bytes");
            let want = request.range.map(|r| r.header()).unwrap_or_default();
            return Err(Error::new(Kind::RangeMismatch { want, got }).at(&request.url));
        }
        if let Some(limit) = request.max_bytes.filter(|limit| end - start > *limit) {
            return Err(Error::new(Kind::TooLarge { limit }).at(&request.url));
        }
        file.seek(SeekFrom::Start(start)).map_err(unreadable)?;
        let body = FileBody { file, left: end - start, url: request.url.clone() };
        let status = if request.range.is_some() { 206 } else { 200 };
        let mut response = Response::new(status, request.url.clone(), Some(end - start), BoxBody::new(body));
        response.total = request.range.map(|_| size);
        Ok(response)
    }
}

impl<F: Fetch> Fetch for LocalFiles<F> {
    fn fetch(&self, request: Request) -> FetchFuture<'_> {
        if request.url.scheme() == "file" {
            // What came over the network never opens a file here.
            let remote = request.parent.as_ref().is_some_and(|p| p.scheme() != "file");
            if remote {
                let refused = Error::new(Kind::Scheme("file".into())).at(&request.url);
                return Box::pin(std::future::ready(Err(refused)));
            }
            return Box::pin(std::future::ready(self.open(&request)));
        }
        match crate::inline::answered(&request) {
            Some(answer) => Box::pin(std::future::ready(answer)),
            None => self.other.fetch(request),
        }
    }
}

struct FileBody {
    file: std::fs::File,
    left: u64,
    url: Url,
}

impl Body for FileBody {
    fn poll_chunk(&mut self, _: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Error>> {
        if self.left == 0 {
            return Poll::Ready(Ok(None));
        }
        let mut chunk = vec![0; self.left.min(256 << 10) as usize];
        let failed = |e| Error::new(Kind::File("the file can't be read".into())).at(&self.url).caused_by(e);
        if let Err(e) = self.file.read_exact(&mut chunk) {
            return Poll::Ready(Err(failed(e)));
        }
        self.left -= chunk.len() as u64;
        Poll::Ready(Ok(Some(chunk.into())))
    }
}
