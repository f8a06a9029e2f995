//! Files beside a local playlist, and no others.

use std::path::Path;

use hls_fetch::{ByteRange, Class, Client, Error, Fetch as _, LocalFiles, Request};
use hls_testkit::Origin;
use url::Url;

use crate::support::{TestResult, client, noise, request, url};

/// A folder with `in/a.ts`, `in/deep/b.ts` and, beside it, `secret`.
fn folder() -> Result<(tempfile::TempDir, LocalFiles<Client>), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let inside = folder.path().join("in");
    std::fs::create_dir_all(inside.join("deep"))?;
    std::fs::write(inside.join("a.ts"), noise(600_000))?;
    std::fs::write(inside.join("deep/b.ts"), "b")?;
    std::fs::write(folder.path().join("secret"), "s")?;
    let files = LocalFiles::inside(&inside, client())?;
    Ok((folder, files))
}

fn file(path: &Path) -> Request {
    Request::get(Url::from_file_path(path).expect("an absolute path"))
}

async fn read(files: &LocalFiles<Client>, request: Request) -> Result<Vec<u8>, Error> {
    files.fetch(request).await?.bytes(1 << 20).await
}

#[tokio::test]
async fn inside_the_folder() -> TestResult {
    let (folder, files) = folder()?;
    let a = folder.path().join("in/a.ts");
    let answer = files.fetch(file(&a)).await?;
    assert_eq!((answer.status, answer.length), (200, Some(600_000)));
    assert_eq!(answer.bytes(1 << 20).await?, noise(600_000));
    assert_eq!(read(&files, file(&folder.path().join("in/deep/b.ts"))).await?, b"b");

    let answer = files.fetch(file(&a).range(ByteRange::new(300_000, 1000))).await?;
    assert_eq!((answer.status, answer.length, answer.total), (206, Some(1000), Some(600_000)));
    assert_eq!(answer.bytes(1000).await?, noise(600_000)[300_000..301_000]);
    Ok(())
}

#[tokio::test]
async fn nothing_outside_it() -> TestResult {
    let (folder, files) = folder()?;
    let inside = folder.path().join("in");
    let base = Url::from_directory_path(&inside).expect("an absolute path");
    let mut refused = vec![
        Request::get(base.join("../secret")?),
        Request::get(base.join("%2e%2e/secret")?),
        file(&folder.path().join("secret")),
        request("file:///etc/hostname"),
        file(&inside.join("missing.ts")),
        file(&inside),
    ];
    #[cfg(unix)]
    for (target, link) in [("../secret", "link"), ("/etc", "folder")] {
        std::os::unix::fs::symlink(target, inside.join(link))?;
        refused.push(file(&inside.join(link)));
        refused.push(file(&inside.join(link).join("hostname")));
    }
    for request in refused {
        let text = request.url.to_string();
        let error = read(&files, request).await.expect_err("outside");
        assert_eq!((error.class(), error.code()), (Class::Local, "file"), "{text}");
    }
    Ok(())
}

#[cfg(unix)]
#[tokio::test]
async fn a_fifo_is_refused_at_once() -> TestResult {
    let (folder, files) = folder()?;
    let path = folder.path().join("in/fifo");
    assert!(std::process::Command::new("mkfifo").arg(&path).status()?.success());
    assert_eq!(read(&files, file(&path)).await.expect_err("no file").code(), "file");
    Ok(())
}

#[tokio::test]
async fn parts_and_limits_hold() -> TestResult {
    let (folder, files) = folder()?;
    let a = folder.path().join("in/a.ts");
    for (request, code) in [
        (file(&a).range(ByteRange::new(599_999, 2)), "http.range_mismatch"),
        (file(&a).range(Some(ByteRange::from(600_001))), "http.range_mismatch"),
        (file(&a).at_most(599_999), "limit.size"),
    ] {
        assert_eq!(read(&files, request).await.expect_err("not to be had").code(), code);
    }
    Ok(())
}

#[tokio::test]
async fn what_came_over_the_network_opens_no_file() -> TestResult {
    let (folder, files) = folder()?;
    let a = folder.path().join("in/a.ts");
    let remote = file(&a).found_in(&url("http://127.0.0.1/index.m3u8"));
    let error = read(&files, remote).await.expect_err("a remote parent");
    assert_eq!((error.class(), error.code()), (Class::Security, "policy.scheme"));
    let local = file(&a).found_in(&Url::from_file_path(folder.path().join("in/i.m3u8")).expect("absolute"));
    assert!(read(&files, local).await.is_ok());

    let origin = Origin::start();
    origin.redirect("/a", Url::from_file_path(&a).expect("absolute").as_str());
    let error = read(&files, request(&origin.url("/a"))).await.expect_err("redirected to a file");
    assert_eq!(error.code(), "policy.scheme");
    Ok(())
}

#[tokio::test]
async fn other_urls_go_on_to_the_client() -> TestResult {
    let (_folder, files) = folder()?;
    let origin = Origin::start();
    origin.put("/a", "remote");
    assert_eq!(read(&files, request(&origin.url("/a"))).await?, b"remote");
    Ok(())
}
