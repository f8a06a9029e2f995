//! Redirects: followed by hand, each hop judged.

use hls_fetch::{Class, Fetch as _, Kind};
use hls_testkit::{Origin, Reply};

use crate::support::{TestResult, client, failure, get, request};

#[tokio::test]
async fn followed_to_the_final_url() -> TestResult {
    let (first, second) = (Origin::start(), Origin::start());
    second.put("/deep/c", "there");
    first.redirect("/a", "b?x=1");
    first.redirect("/b", &second.url("/deep/x"));
    second.redirect("/deep/x", "c");
    let answer = client().fetch(request(&first.url("/a"))).await?;
    assert_eq!(answer.url.as_str(), second.url("/deep/c"));
    assert_eq!(answer.bytes(10).await?, b"there");
    assert_eq!(first.requests()[1].query, "x=1");
    Ok(())
}

#[tokio::test]
async fn every_status_that_redirects() -> TestResult {
    let origin = Origin::start();
    origin.put("/b", "there");
    for status in [301, 302, 303, 307, 308] {
        origin.script("/a", [Reply::status(status).header("location", "/b")]);
        assert_eq!(get(&client(), &origin.url("/a")).await?, b"there", "{status}");
    }
    Ok(())
}

#[tokio::test]
async fn a_loop_ends_and_shows_its_chain() {
    let origin = Origin::start();
    origin.redirect("/a", "/b?token=secret");
    origin.redirect("/b", "/a");
    let error = failure(&client(), &origin.url("/a")).await;
    assert_eq!((error.class(), error.code()), (Class::Client, "http.redirect"));
    let Kind::Redirect { chain } = error.kind() else { return assert_eq!(error.code(), "http.redirect") };
    assert_eq!(chain.len(), 12, "the first URL, ten redirects, and the one that is not followed");
    assert!(chain[0].ends_with("/a") && chain[1].ends_with("/b?token=…"), "{chain:?}");
    assert_eq!(origin.requests().len(), 11);
}

#[tokio::test]
async fn no_way_to_go() {
    let origin = Origin::start();
    for reply in
        [Reply::status(302), Reply::redirect("http://[broken"), Reply::status(300), Reply::status(304)]
    {
        origin.script("/a", [reply]);
        assert_eq!(failure(&client(), &origin.url("/a")).await.class(), Class::Content);
    }
}

#[tokio::test]
async fn never_to_another_scheme() {
    let origin = Origin::start();
    for target in ["file:///etc/hostname", "data:text/plain,x", "ftp://127.0.0.1/a", "javascript:1"] {
        origin.redirect("/a", target);
        let error = failure(&client(), &origin.url("/a")).await;
        assert_eq!((error.class(), error.code()), (Class::Security, "policy.scheme"), "{target}");
        assert_eq!(error.place(), Some(origin.url("/a").as_str()));
    }
}
