//! What the arguments name: URLs, local playlists, standard input.

use std::io::Read as _;
use std::path::Path;

use url::Url;

/// Reads a file that the user names, which has to end before `most` bytes do: devices have no end, and a mistake may be large.
pub(crate) fn read_file(path: &Path, most: u64) -> Result<Vec<u8>, String> {
    let failed = |e: std::io::Error| format!("{}: {e}", path.display());
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(most + 1).read_to_end(&mut bytes).map_err(failed)?;
    match bytes.len() as u64 > most {
        true => Err(format!(
            "{}: more than {} KiB, which is too much for what it is to be",
            path.display(),
            most >> 10
        )),
        false => Ok(bytes),
    }
}

/// As [`read_file`], where that has to be text.
pub(crate) fn read_text(path: &Path, most: u64) -> Result<String, String> {
    String::from_utf8(read_file(path, most)?).map_err(|_| format!("{}: not text in UTF-8", path.display()))
}

/// A playlist to download.
#[derive(Debug)]
pub(crate) enum Input {
    Url(Url),
    /// A playlist that is here, where it is taken to come from, and the folder that its files have to be in.
    Text {
        text: Vec<u8>,
        base: Url,
        folder: Option<std::path::PathBuf>,
    },
}

/// Larger input is no playlist.
const LARGEST: u64 = 64 << 20;

/// The first absolute URL of http in a playlist.
fn first_url(text: &[u8]) -> Option<Url> {
    let text = String::from_utf8_lossy(text);
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.parse().ok()).find(|url: &Url| matches!(url.scheme(), "http" | "https"))
}

impl Input {
    /// Reads an argument.
    pub(crate) fn read(argument: &str, base: Option<&Url>) -> Result<Self, String> {
        if argument == "-" {
            let mut text = Vec::new();
            let read = std::io::stdin().lock().take(LARGEST + 1).read_to_end(&mut text);
            read.map_err(|e| format!("standard input can't be read: {e}"))?;
            if text.len() as u64 > LARGEST {
                return Err("standard input has more bytes than any playlist".to_owned());
            }
            return Self::text(text, base, Path::new("playlist.m3u8"));
        }
        let path = Path::new(argument);
        let named = argument.parse::<Url>().ok().filter(|url| url.scheme() == "file");
        let named = named.and_then(|url| url.to_file_path().ok());
        let path = named.as_deref().unwrap_or(path);
        if named.is_some() || !argument.contains("://") && path.is_file() {
            let text = read_file(path, LARGEST)?;
            return Self::text(text, base, path);
        }
        let url: Url = argument.parse().map_err(|_| {
            // What follows a ? may be secret, and what precedes an @ too.
            let shown = argument.split('?').next().unwrap_or_default();
            let shown = shown.rsplit('@').next().unwrap_or_default();
            format!("'{shown}' is neither a URL nor a file")
        })?;
        match url.scheme() {
            "http" | "https" if url.has_host() => Ok(Self::Url(url)),
            // A playlist that is here; what it names first is where it comes from.
            "data" => {
                let text = hls_fetch::inline(&url).ok_or("the data in the URL can't be read")?;
                let base = base.cloned().or_else(|| first_url(&text)).unwrap_or(url);
                Ok(Self::Text { text, base, folder: None })
            }
            "file" => {
                let path = url.to_file_path().map_err(|()| format!("{argument} is not a local file"))?;
                let text = std::fs::read(&path).map_err(|e| format!("{argument} can't be read: {e}"))?;
                Self::text(text, base, &path)
            }
            other => Err(format!("scheme {other} is not supported, only http and https")),
        }
    }

    /// A playlist that is here, in a file of that name.
    fn text(text: Vec<u8>, base: Option<&Url>, file: &Path) -> Result<Self, String> {
        if let Some(base) = base {
            return Ok(Self::Text { text, base: base.clone(), folder: None });
        }
        let folder = file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let name = file.file_name().unwrap_or("playlist.m3u8".as_ref());
        let folder =
            folder.canonicalize().map_err(|e| format!("the folder of the playlist can't be read: {e}"))?;
        let base = Url::from_file_path(folder.join(name));
        let base = base.map_err(|()| "the folder of the playlist has no URL".to_owned())?;
        Ok(Self::Text { text, base, folder: Some(folder) })
    }

    pub(crate) fn url(&self) -> &Url {
        match self {
            Self::Url(url) | Self::Text { base: url, .. } => url,
        }
    }
}
