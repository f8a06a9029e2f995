//! Accepting connections, and the loop of one of them.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;

use super::body::{After, Body, Pace};
use super::head;
use super::log::{Entry, Request};
use super::plan::{self, Plan};
use super::reply::{Framing, Reply, Source};
use super::resource::Resource;
use super::shared::Shared;
use super::stream::Stream;
use super::{http2, shared};

pub(super) async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors, most likely: others may be free soon.
            sleep(Duration::from_millis(10)).await;
            continue;
        };
        let id = shared.counters.connections.add(1);
        let shared = Arc::clone(&shared);
        let mut disconnect = shared.disconnect.subscribe();
        tokio::spawn(async move {
            tokio::select! {
                // The client's mistakes are the client's to notice; its departure is no error here.
                _ = serve(stream, id, shared) => {}
                _ = disconnect.changed() => {}
            }
        });
    }
}

/// The TLS handshake, where there is one, and then the protocol that came out of it.
async fn serve(stream: TcpStream, id: u64, shared: Arc<Shared>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let stream = match &shared.config.tls {
        None => Stream::Plain(stream),
        Some(shared::Tls(config)) => {
            let stream = TlsAcceptor::from(Arc::clone(config)).accept(stream).await?;
            Stream::Tls(Box::new(stream))
        }
    };
    let is_h2 = matches!(&stream, Stream::Tls(tls) if tls.get_ref().1.alpn_protocol() == Some(b"h2"));
    if is_h2 {
        return http2::serve(stream, id, shared).await;
    }
    let pace = Pace::new(shared.config.rate_per_connection);
    Connection { id, pace, shared, stream }.run().await
}

struct Connection {
    id: u64,
    stream: Stream,
    pace: Pace,
    shared: Arc<Shared>,
}

impl Connection {
    async fn run(mut self) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        let mut buffer = Vec::new();
        let mut latency = shared.config.latency + shared.config.connect_latency;
        while let Some(head) = head::read(&mut self.stream, &mut buffer).await? {
            let _in_flight = shared.begin();
            let (entry, reply, resource) = shared.answer(head, self.id);
            sleep_if(latency + reply.delay).await;
            latency = shared.config.latency;
            let after = self.respond(&entry, &reply, resource.as_ref()).await;
            // TLS keeps what is not flushed.
            let after = match self.stream.flush().await {
                Ok(()) => after,
                Err(error) => Err(error),
            };
            let _ = entry.ended.set(shared.start.elapsed());
            match after? {
                After::KeepAlive if entry.request().header("connection") != Some("close") => {}
                After::KeepAlive | After::Close => return self.stream.shutdown().await,
                After::Reset => return self.stream.reset_at_end(),
            }
        }
        Ok(())
    }

    async fn respond(
        &mut self,
        entry: &Entry,
        reply: &Reply,
        resource: Option<&Resource>,
    ) -> io::Result<After> {
        let Some(plan) = plan::plan(reply, resource, entry.request()) else {
            if let Source::Raw(bytes) = &reply.source {
                self.stream.write_all(bytes).await?;
                self.stream.flush().await?;
                return Ok(After::Close);
            }
            if matches!(reply.source, Source::Refuse) {
                return Ok(After::Close);
            }
            silence(&mut self.stream).await;
            return Ok(After::Close);
        };
        let _ = entry.status.set(plan.status);
        self.stream.write_all(plan.head().as_bytes()).await?;
        if entry.request().method == "HEAD" || plan.status == 304 {
            return Ok(After::KeepAlive);
        }
        self.send(entry, reply, plan).await
    }

    async fn send(&mut self, entry: &Entry, reply: &Reply, plan: Plan) -> io::Result<After> {
        let length = plan.body.len();
        let mut body = Body {
            stream: &mut self.stream,
            pace: &mut self.pace,
            entry,
            counters: &self.shared.counters,
            bytes: plan.body,
            at: 0,
            chunked: reply.framing == Framing::Chunked,
        };
        for step in &reply.steps {
            match body.step(step).await? {
                After::KeepAlive => {}
                end => return Ok(end),
            }
        }
        let whole = body.at == length;
        match reply.framing {
            Framing::Chunked if whole => {
                self.stream.write_all(b"0\r\n\r\n").await?;
                Ok(After::KeepAlive)
            }
            Framing::Length if whole => Ok(After::KeepAlive),
            Framing::Claimed(claimed) if whole && claimed == length as u64 => Ok(After::KeepAlive),
            _ => Ok(After::Close),
        }
    }
}

impl Shared {
    /// Logs a request and chooses its reply.
    pub(super) fn answer(&self, head: head::Head, connection: u64) -> (Arc<Entry>, Reply, Option<Resource>) {
        let mut content = self.content();
        let attempt = content.next_attempt(&head.path);
        let entry = Arc::new(Entry::new(head, attempt, connection, self.start.elapsed()));
        self.log().push(Arc::clone(&entry));
        let request: &Request = entry.request();
        let scripted = content.scripted(&request.path);
        let resource = content.resources.get(&request.path).cloned();
        let rule = content.rule.clone();
        let service = content.services.iter().rfind(|(prefix, _)| request.path.starts_with(prefix));
        let service = service.map(|(_, service)| service.clone());
        // A rule is foreign code and may ask the origin, so it runs without the lock.
        drop(content);
        let ask = |rule: Option<shared::Rule>| rule.and_then(|rule| rule.0(request));
        let reply = scripted.or_else(|| ask(rule)).or_else(|| ask(service)).unwrap_or_else(Reply::resource);
        (entry, reply, resource)
    }
}

/// Says nothing until the client goes away.
pub(super) async fn silence(stream: &mut Stream) {
    let mut ignored = [0; 1024];
    while matches!(stream.read(&mut ignored).await, Ok(n) if n > 0) {}
}

pub(super) async fn sleep_if(time: Duration) {
    if !time.is_zero() {
        sleep(time).await;
    }
}
