//! What the tests share: a folder, a quick policy, and a judge of what a job leaves behind.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hls_fetch::{Class, RetryPolicy, Rule};
use hls_sched::{Durability, Finished, Format, Job, JobBuilder, Kind};
use hls_testkit::{Origin, Published};
use tempfile::TempDir;

pub(crate) type Outcome = Result<(), Box<dyn Error>>;

pub(crate) const KEY: [u8; 16] = *b"0123456789abcdef";

/// The usual numbers of attempts, almost without delays.
pub(crate) fn quick() -> RetryPolicy {
    let mut policy = RetryPolicy::default();
    for class in Class::ALL {
        let rule =
            Rule { base: Duration::from_millis(5), cap: Duration::from_millis(50), ..policy.rule(class) };
        policy.set(class, rule);
    }
    policy
}

/// A job that does not wait for a disk, nor long for anything.
pub(crate) fn job(url: &str) -> JobBuilder {
    let url = url.parse().expect("the origin's URLs are URLs");
    Job::get(url).retry_policy(quick()).durability(Durability::Fast).concurrency(4)
}

/// A folder for outputs.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Result<Self, std::io::Error> {
        tempfile::tempdir().map(Self)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The names of everything in it.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.path()).into_iter().flatten().flatten();
        let mut names: Vec<_> = entries.map(|e| e.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

/// What is in a file, compared without printing megabytes.
pub(crate) fn same(file: &Path, expected: &[u8]) -> Outcome {
    let bytes = std::fs::read(file)?;
    let at = bytes.iter().zip(expected).position(|(a, b)| a != b);
    assert_eq!((bytes.len(), at), (expected.len(), None), "{}", file.display());
    Ok(())
}

/// Downloads a stream to a file and judges it: byte-exact, and nothing left beside it.
pub(crate) async fn exact(vod: &Published, extension: &str) -> Result<Finished, Box<dyn Error>> {
    exact_as(Format::Auto, vod, extension).await
}

/// The same, in a format.
pub(crate) async fn exact_as(
    format: Format,
    vod: &Published,
    extension: &str,
) -> Result<Finished, Box<dyn Error>> {
    let folder = Folder::new()?;
    let name = format!("out.{extension}");
    let done = job(&vod.url).format(format).output(folder.file(&name)).start().finish().await?;
    same(&folder.file(&name), &vod.expected)?;
    assert_eq!(folder.names(), [name]);
    assert_eq!(done.bytes, vod.expected.len() as u64);
    assert_eq!(done.segments, vod.segment_paths.len() as u64);
    Ok(done)
}

/// Runs a job that has to fail, and looks that nothing is under the final name.
pub(crate) async fn fails(
    job: JobBuilder,
    kind: Kind,
    code: &str,
) -> Result<hls_sched::Error, Box<dyn Error>> {
    let folder = Folder::new()?;
    let out = folder.file("out.ts");
    let ending = job.output(&out).start().finish();
    let ended = tokio::time::timeout(Duration::from_secs(20), ending).await?;
    assert!(!out.exists(), "a file under the final name");
    match ended {
        Ok(done) => Err(format!("a failure was expected, got {done:?}").into()),
        Err(error) => {
            assert_eq!((error.kind(), error.code()), (kind, code), "{error}; {:?}", error.reason());
            Ok(error)
        }
    }
}

/// Requests for segments, by their number. One for a byte, to hear what the server says of a segment, fetches none.
pub(crate) fn fetched(origin: &Origin, vod: &Published) -> Vec<usize> {
    let number = |path: &str| vod.segment_paths.iter().position(|p| p == path);
    let requests = origin.requests();
    let fetching = requests.iter().filter(|request| request.header("range") != Some("bytes=0-0"));
    fetching.filter_map(|request| number(&request.path)).collect()
}
