//! Cookies: those that servers set, and those from a file.

use hls_fetch::{Client, parse_cookie_file};
use hls_testkit::{Origin, Reply, Resource};

use crate::support::{TestResult, client, failure, get};

#[tokio::test]
async fn what_a_server_sets_comes_back_to_it_alone() -> TestResult {
    let (one, two) = (Origin::start(), Origin::bind("127.0.0.2:0")?);
    one.put("/index", Resource::new("x").header("set-cookie", "signed=abc; Path=/v"));
    for origin in [&one, &two] {
        origin.put("/v/a", "a");
    }
    let client = client();
    get(&client, &one.url("/index")).await?;
    get(&client, &one.url("/v/a")).await?;
    get(&client, &one.url("/index")).await?;
    get(&client, &two.url("/v/a")).await?;
    assert_eq!(one.requests_for("/v/a")[0].header("cookie"), Some("signed=abc"));
    assert_eq!(one.requests_for("/index")[1].header("cookie"), None, "another path");
    assert_eq!(two.requests()[0].header("cookie"), None, "another host");
    Ok(())
}

#[tokio::test]
async fn a_cookie_set_on_a_redirect_is_kept() -> TestResult {
    let origin = Origin::start();
    origin.put("/b", "b");
    origin.script("/a", [Reply::redirect("/b").header("set-cookie", "k=v; Path=/")]);
    get(&client(), &origin.url("/a")).await?;
    assert_eq!(origin.requests_for("/b")[0].header("cookie"), Some("k=v"));
    Ok(())
}

#[tokio::test]
async fn given_and_set_cookies_travel_together() -> TestResult {
    let origin = Origin::start();
    origin.put("/a", Resource::new("x").header("set-cookie", "set=2; Path=/"));
    let client = Client::builder().header("Cookie", "given=1")?.build()?;
    get(&client, &origin.url("/a")).await?;
    get(&client, &origin.url("/a")).await?;
    assert_eq!(origin.requests()[1].header("cookie"), Some("given=1; set=2"));
    Ok(())
}

#[tokio::test]
async fn a_cookie_for_a_foreign_domain_is_not_taken() -> TestResult {
    let origin = Origin::start();
    let reply = Reply::status(404).header("set-cookie", "k=v; Domain=example.com; Path=/");
    origin.script("/a", [reply]);
    let client = client();
    failure(&client, &origin.url("/a")).await;
    failure(&client, &origin.url("/a")).await;
    assert_eq!(origin.requests()[1].header("cookie"), None);
    Ok(())
}

#[tokio::test]
async fn those_from_a_file_go_to_no_other_port() -> TestResult {
    let (input, other) = (Origin::start(), Origin::start());
    let file = "127.0.0.1\tFALSE\t/\tFALSE\t0\tsession\tSECRET\n";
    let client = Client::builder().cookies(parse_cookie_file(file)?).allow_private(true).build()?;
    let client = client.for_input(&input.url("/a").parse()?);
    for origin in [&input, &other] {
        origin.put("/a", "a");
        get(&client, &origin.url("/a")).await?;
    }
    assert_eq!(input.requests()[0].header("cookie"), Some("session=SECRET"));
    assert_eq!(other.requests()[0].header("cookie"), None);
    Ok(())
}

#[tokio::test]
async fn from_a_file() -> TestResult {
    let (one, two) = (Origin::start(), Origin::bind("127.0.0.2:0")?);
    let file = "# Netscape HTTP Cookie File\n\
                127.0.0.1\tFALSE\t/\tFALSE\t4102444800\tsid\tabc\n\
                #HttpOnly_127.0.0.1\tFALSE\t/\tFALSE\t0\tsession\tdef\n\
                127.0.0.1\tFALSE\t/\tFALSE\t1\told\tno\n";
    let client = Client::builder().cookies(parse_cookie_file(file)?).build()?;
    for origin in [&one, &two] {
        origin.put("/a", "a");
        get(&client, &origin.url("/a")).await?;
    }
    let sent = one.requests()[0].header("cookie").unwrap_or_default().to_owned();
    let mut sent: Vec<&str> = sent.split("; ").collect();
    sent.sort_unstable();
    assert_eq!(sent, ["session=def", "sid=abc"]);
    assert_eq!(two.requests()[0].header("cookie"), None);
    Ok(())
}
