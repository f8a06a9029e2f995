//! What the tests share.

use std::collections::{HashMap, VecDeque};
use std::error::Error as StdError;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hls_fetch::{Client, ClientBuilder, Error, Fetch as _, Request, Resolve, ResolveFuture};
use url::Url;

pub(crate) type TestResult = Result<(), Box<dyn StdError>>;

/// A resolver that says what it is told: for each name its answers in turn, the last one for good.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names(Arc<Mutex<HashMap<String, VecDeque<Vec<IpAddr>>>>>);

impl Names {
    pub(crate) fn with(self, name: &str, answers: &[&[&str]]) -> Self {
        let ips = |answer: &&[&str]| answer.iter().map(|ip| ip.parse().expect("an address")).collect();
        self.0.lock().expect("no panic").insert(name.to_owned(), answers.iter().map(ips).collect());
        self
    }
}

impl Resolve for Names {
    fn resolve<'a>(&'a self, name: &'a str) -> ResolveFuture<'a> {
        let mut names = self.0.lock().expect("no panic");
        let answer = names.get_mut(name).and_then(|answers| {
            if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() }
        });
        let unknown = || std::io::Error::other("no such name");
        Box::pin(std::future::ready(answer.ok_or_else(unknown)))
    }
}

/// A body limit that no test reaches by accident.
const LIMIT: u64 = 64 << 20;

/// Time-outs long enough for a busy machine, short enough for a test that has to see one pass.
pub(crate) fn quick() -> ClientBuilder {
    Client::builder()
        .first_byte_timeout(Duration::from_millis(1500))
        .stall_timeout(Duration::from_millis(300))
}

/// A client for tests that are not about time.
pub(crate) fn client() -> Client {
    Client::builder().build().expect("the defaults are fit for use")
}

pub(crate) fn url(text: &str) -> Url {
    text.parse().expect("a literal URL")
}

pub(crate) fn request(text: &str) -> Request {
    Request::get(url(text))
}

/// One attempt, to the end of the body.
pub(crate) async fn send(client: &Client, request: Request) -> Result<Vec<u8>, Error> {
    client.fetch(request).await?.bytes(LIMIT).await
}

pub(crate) async fn get(client: &Client, text: &str) -> Result<Vec<u8>, Error> {
    send(client, request(text)).await
}

/// The error of an attempt that has to fail.
pub(crate) async fn failure(client: &Client, text: &str) -> Error {
    get(client, text).await.expect_err("this attempt fails")
}

/// Bytes of which no two neighbouring pieces are alike.
pub(crate) fn noise(len: usize) -> Vec<u8> {
    (0..len as u64).map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect()
}
