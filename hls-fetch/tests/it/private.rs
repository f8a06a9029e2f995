//! Private addresses: the input may be at one, and nothing else leads there.

use hls_fetch::{AddressRange, Class, Client, Error, Kind};
use hls_testkit::Origin;

use crate::support::{Names, TestResult, failure, get, quick, request, send, url};

/// An origin at the address of the input, and one at another that may see nothing.
struct Two {
    home: Origin,
    canary: Origin,
}

impl Two {
    fn start() -> Result<Self, std::io::Error> {
        let (home, canary) = (Origin::start(), Origin::bind("127.0.0.2:0")?);
        for origin in [&home, &canary] {
            origin.put("/a", "a");
        }
        Ok(Self { home, canary })
    }

    /// The same resource of an origin, by a name in place of its address.
    fn named(origin: &Origin, name: &str) -> String {
        format!("http://{name}:{}/a", origin.address().port())
    }
}

#[track_caller]
fn is_blocked(error: &Error, address: &str) {
    assert_eq!((error.class(), error.code()), (Class::Security, "policy.private_address"), "{error:?}");
    let told = matches!(
        error.kind(),
        Kind::PrivateAddress { range: AddressRange::Loopback, address: said } if said.contains(address)
    );
    assert!(told && error.to_string().contains("loopback"), "{error:?}");
}

#[tokio::test]
async fn a_private_input_allows_its_own_address_alone() -> TestResult {
    let two = Two::start()?;
    let neighbour = Origin::start();
    neighbour.put("/a", "neighbour");
    two.home.redirect("/there", &two.canary.url("/a"));
    two.home.redirect("/mapped", &two.canary.url("/a").replace("127.0.0.2", "[::ffff:127.0.0.2]"));
    let client = quick().build()?.for_input(&url(&two.home.url("/index.m3u8")));
    assert_eq!(get(&client, &two.home.url("/a")).await?, b"a");
    assert_eq!(get(&client, &neighbour.url("/a")).await?, b"neighbour", "another port of the same address");
    for target in [
        two.canary.url("/a"),
        two.home.url("/there"),
        two.canary.url("/a").replace("127.0.0.2", "0x7f000002"),
    ] {
        is_blocked(&failure(&client, &target).await, "127.0.0.2");
    }
    is_blocked(&failure(&client, &two.home.url("/mapped")).await, "::ffff:127.0.0.2");
    let fresh = request(&two.canary.url("/a")).fresh_connection();
    is_blocked(&send(&client, fresh).await.expect_err("on no connection"), "127.0.0.2");
    assert_eq!(two.canary.connections(), 0);

    let lifted = quick().allow_private(true).build()?.for_input(&url(&two.home.url("/index.m3u8")));
    assert_eq!(get(&lifted, &two.home.url("/there")).await?, b"a");
    Ok(())
}

#[tokio::test]
async fn without_a_job_the_parent_or_the_url_itself_is_the_input() -> TestResult {
    let two = Two::start()?;
    let client = quick().build()?;
    assert_eq!(get(&client, &two.home.url("/a")).await?, b"a");
    let found = request(&two.home.url("/a")).found_in(&url("https://example.com/index.m3u8"));
    let error = send(&quick().allow_http(true).build()?, found).await.expect_err("from outside");
    is_blocked(&error, "127.0.0.1");
    assert_eq!(two.home.connections(), 1);
    Ok(())
}

#[tokio::test]
async fn a_name_leads_no_further_than_an_address() -> TestResult {
    let two = Two::start()?;
    let names = Names::default()
        .with("home.test", &[&["127.0.0.1"]])
        .with("canary.test", &[&["127.0.0.2"]])
        .with("both.test", &[&["127.0.0.2", "127.0.0.1"]]);
    let client = quick().resolver(names).build()?.for_input(&url(&Two::named(&two.home, "home.test")));
    assert_eq!(get(&client, &Two::named(&two.home, "home.test")).await?, b"a");
    is_blocked(&failure(&client, &Two::named(&two.canary, "canary.test")).await, "canary.test (127.0.0.2)");
    // What the input's name was resolved to is allowed, by whatever name.
    assert_eq!(get(&client, &Two::named(&two.home, "both.test")).await?, b"a");
    assert_eq!(get(&client, &two.home.url("/a")).await?, b"a");
    assert_eq!(two.canary.connections(), 0);
    Ok(())
}

#[tokio::test]
async fn a_name_that_flips_leads_nowhere() -> TestResult {
    let two = Two::start()?;
    let names = Names::default().with("flips.test", &[&["127.0.0.1"], &["127.0.0.2"]]);
    let input = Two::named(&two.home, "flips.test");
    let client = quick().resolver(names).build()?.for_input(&url(&input));
    assert_eq!(get(&client, &input).await?, b"a");
    let again = request(&Two::named(&two.canary, "flips.test")).fresh_connection();
    is_blocked(&send(&client, again).await.expect_err("another address"), "127.0.0.2");

    // From the internet (an address for documentation, where nobody answers) into this machine.
    let names = Names::default().with("flips.test", &[&["192.0.2.1"], &["127.0.0.2"]]);
    let input = Two::named(&two.canary, "flips.test");
    let brief = quick().first_byte_timeout(std::time::Duration::from_millis(100)).resolver(names);
    let client = brief.build()?.for_input(&url(&input));
    assert_eq!(failure(&client, &input).await.class(), Class::Network);
    is_blocked(&failure(&client, &input).await, "127.0.0.2");
    assert_eq!(two.canary.connections(), 0);
    Ok(())
}

#[tokio::test]
async fn a_connection_that_is_open_is_not_for_every_job() -> TestResult {
    let two = Two::start()?;
    let names = Names::default().with("home.test", &[&["127.0.0.1"]]);
    let input = Two::named(&two.home, "home.test");
    let client = quick().resolver(names).build()?;
    get(&client.for_input(&url(&input)), &input).await?;
    let elsewhere = client.for_input(&url("http://example.com/index.m3u8"));
    is_blocked(&failure(&elsewhere, &input).await, "home.test (127.0.0.1)");
    assert_eq!((two.home.connections(), two.home.requests().len()), (1, 1));
    get(&client.for_input(&url(&input)), &input).await?;
    assert_eq!(two.home.connections(), 1);
    Ok(())
}

#[tokio::test]
async fn behind_a_proxy_only_what_a_url_says_is_judged() -> TestResult {
    let proxy = Origin::start();
    proxy.put("/a", "through the proxy");
    // The proxy's own name is the user's, whatever it is resolved to.
    let names = Names::default().with("proxy.test", &[&["127.0.0.1"]]);
    let through = format!("http://proxy.test:{}", proxy.address().port());
    let client: Client = quick().resolver(names).proxy(&through, None)?.build()?;
    let client = client.for_input(&url("http://example.com/index.m3u8"));
    assert_eq!(get(&client, "http://intranet.test/a").await?, b"through the proxy");
    proxy.redirect("/there", "http://localhost/a");
    for target in
        ["http://127.0.0.1/a", "http://localhost/a", "http://a.localhost./a", "http://example.com/there"]
    {
        let error = failure(&client, target).await;
        assert_eq!(error.code(), "policy.private_address", "{target}");
    }
    assert_eq!(proxy.requests().len(), 2);
    Ok(())
}
