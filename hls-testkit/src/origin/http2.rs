//! HTTP/2: the same replies, each on a stream of one connection.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use h2::server::{self, SendResponse};
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderName, HeaderValue, Request, Response};
use tokio::sync::Notify;
use tokio::time::sleep;

use super::body::Pace;
use super::connection::sleep_if;
use super::head::Head;
use super::log::Entry;
use super::plan::{self, Plan};
use super::reply::{Reply, Source, Step};
use super::shared::Shared;
use super::stream::Stream;
use crate::noise;

/// Time for what was handed over to be sent: a stream that is reset forgets the rest.
const UNDER_WAY: Duration = Duration::from_millis(20);

/// Serves one connection until the client goes away or a reply ends it.
pub(super) async fn serve(stream: Stream, id: u64, shared: Arc<Shared>) -> io::Result<()> {
    let mut settings = server::Builder::new();
    if let Some(most) = shared.config.max_streams {
        settings.max_concurrent_streams(most);
    }
    let mut connection = settings.handshake::<_, Bytes>(stream).await.map_err(io::Error::other)?;
    let closed = Arc::new(Notify::new());
    let mut going = shared.go_away.subscribe();
    let mut first = true;
    loop {
        let accepted = tokio::select! {
            accepted = connection.accept() => accepted,
            () = closed.notified() => return Ok(()),
            _ = going.changed() => {
                connection.graceful_shutdown();
                continue;
            }
        };
        let Some(accepted) = accepted else { return Ok(()) };
        let (request, respond) = accepted.map_err(io::Error::other)?;
        let (shared, closed) = (Arc::clone(&shared), Arc::clone(&closed));
        let delay =
            shared.config.latency + if first { shared.config.connect_latency } else { Default::default() };
        first = false;
        tokio::spawn(async move {
            let _in_flight = shared.begin();
            let (entry, reply, resource) = shared.answer(head(&request), id);
            sleep_if(delay + reply.delay).await;
            let plan = plan::plan(&reply, resource.as_ref(), entry.request());
            let exchange = Exchange { shared: &shared, entry: &entry, reply: &reply, respond };
            // The client's departure is no error here.
            if let Ok(true) = exchange.run(plan).await {
                closed.notify_one();
            }
            let _ = entry.ended.set(shared.start.elapsed());
        });
    }
}

fn head(request: &Request<RecvStream>) -> Head {
    let uri = request.uri();
    let mut headers: Vec<_> = request
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    if let Some(authority) = uri.authority() {
        headers.push(("host".to_owned(), authority.to_string()));
    }
    Head {
        method: request.method().to_string(),
        target: uri.path_and_query().map_or_else(String::new, ToString::to_string),
        path: uri.path().to_owned(),
        query: uri.query().unwrap_or_default().to_owned(),
        headers,
    }
}

/// One request and its answer.
struct Exchange<'a> {
    shared: &'a Shared,
    entry: &'a Entry,
    reply: &'a Reply,
    respond: SendResponse<Bytes>,
}

impl Exchange<'_> {
    /// Answers; `true` where the connection has to be closed.
    async fn run(mut self, plan: Option<Plan>) -> Result<bool, h2::Error> {
        let Some(plan) = plan else {
            match self.reply.source {
                Source::Refuse => self.respond.send_reset(Reason::REFUSED_STREAM),
                // There are no raw bytes inside a stream.
                Source::Raw(_) => return Ok(true),
                _ => drop(std::future::poll_fn(|cx| self.respond.poll_reset(cx)).await),
            }
            return Ok(false);
        };
        let _ = self.entry.status.set(plan.status);
        let mut answer = Response::builder().status(plan.status);
        for (name, value) in plan.fields() {
            // Fields of one connection are not sent (RFC 9113 section 8.2.2).
            let (Ok(name), Ok(value)) =
                (name.parse::<HeaderName>(), HeaderValue::from_bytes(value.as_bytes()))
            else {
                continue;
            };
            if name != "connection" && name != "transfer-encoding" {
                answer = answer.header(name, value);
            }
        }
        let answer = answer.body(()).unwrap_or_default();
        let is_empty = self.entry.request().method == "HEAD" || plan.status == 304;
        let mut stream = self.respond.send_response(answer, is_empty)?;
        if is_empty {
            return Ok(false);
        }
        let mut at = 0;
        for step in &self.reply.steps {
            let end = match step {
                Step::Bytes(n) => at + n,
                Step::UpTo(hundredths) => plan.body.len() * usize::from(*hundredths) / 100,
                Step::Rest | Step::Drip { .. } => plan.body.len(),
                Step::Garbage(n) => {
                    let mut garbage = vec![0; *n];
                    noise::fill(&mut garbage, 0x6761_7262);
                    self.send(&mut stream, garbage.into(), None).await?;
                    at += n;
                    continue;
                }
                Step::Endless(bytes) => loop {
                    self.send(&mut stream, bytes.repeat(4096).into(), None).await?;
                },
                Step::Sleep(ms) => {
                    sleep(Duration::from_millis(*ms)).await;
                    continue;
                }
                Step::Wait(gate) => {
                    gate.passed().await;
                    continue;
                }
                Step::Stall => {
                    let _ = std::future::poll_fn(|cx| stream.poll_reset(cx)).await;
                    return Ok(false);
                }
                Step::Close => {
                    sleep(UNDER_WAY).await;
                    return Ok(true);
                }
                Step::Reset => {
                    sleep(UNDER_WAY).await;
                    stream.send_reset(Reason::INTERNAL_ERROR);
                    return Ok(false);
                }
            };
            let rate = match step {
                Step::Drip { bytes_per_s } => Some(*bytes_per_s),
                _ => None,
            };
            let end = end.min(plan.body.len());
            if end > at {
                self.send(&mut stream, plan.body.slice(at..end), rate).await?;
                at = end;
            }
        }
        if at == plan.body.len() {
            stream.send_data(Bytes::new(), true)?;
        } else {
            sleep(UNDER_WAY).await;
            stream.send_reset(Reason::INTERNAL_ERROR);
        }
        Ok(false)
    }

    async fn send(
        &self,
        stream: &mut SendStream<Bytes>,
        mut bytes: Bytes,
        rate: Option<u64>,
    ) -> Result<(), h2::Error> {
        let mut pace = Pace::new(rate);
        while !bytes.is_empty() {
            stream.reserve_capacity(bytes.len().min(pace.piece()));
            let capacity = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await;
            let Some(capacity) = capacity.transpose()? else { return Err(Reason::CANCEL.into()) };
            let piece = bytes.split_to(capacity.min(bytes.len()).min(pace.piece()));
            pace.wait(piece.len()).await;
            self.entry.body_bytes.add(piece.len() as u64);
            self.shared.counters.body_bytes.add(piece.len() as u64);
            stream.send_data(piece, false)?;
        }
        Ok(())
    }
}
