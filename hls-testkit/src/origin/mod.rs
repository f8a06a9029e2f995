//! The scripted origin: what it serves, what it did.

mod body;
mod connection;
mod head;
mod http2;
mod log;
mod plan;
mod reply;
mod resource;
mod shared;
mod stream;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub use log::Request;
pub use reply::{Gate, Reply, Step};
pub use resource::Resource;
pub(crate) use resource::content_type_of;
use shared::{Config, Shared};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::oneshot;

use crate::Identity;

/// An HTTP server on a loopback port, stopped when dropped: HTTP/1.1, and with [`Builder::http2`] HTTP/2.
///
/// A request is answered by the first that has something to say: the script of its path, the rule, the
/// service of its folder, the resource at its path, a 404. The query of a URL is logged and otherwise ignored.
#[derive(Debug)]
pub struct Origin {
    shared: Arc<Shared>,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Origin {
    /// Starts an origin without delays and limits on a free port of 127.0.0.1.
    pub fn start() -> Self {
        Self::builder().start()
    }

    /// Starts an origin at `address`, for example `127.0.0.2:0` where a second host is needed.
    ///
    /// # Errors
    ///
    /// The address is not free, or not one of this machine (macOS has only 127.0.0.1 by default).
    pub fn bind(address: &str) -> io::Result<Self> {
        Self::builder().bind(address)
    }

    /// Returns the settings of an origin that is yet to start.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Serves `resource` at `path`, replacing what was there.
    pub fn put(&self, path: &str, resource: impl Into<Resource>) {
        self.shared.content().resources.insert(path.to_owned(), resource.into());
    }

    /// Takes the resource at `path` away, so that it answers 404.
    pub fn remove(&self, path: &str) {
        self.shared.content().resources.remove(path);
    }

    /// Answers the next requests for `path` with `replies` in turn, then with its resource again.
    ///
    /// Replaces a script that was there. See [`Reply::times`] and [`Reply::forever`].
    pub fn script(&self, path: &str, replies: impl IntoIterator<Item = Reply>) {
        self.shared.content().scripts.insert(path.to_owned(), replies.into_iter().collect());
    }

    /// Answers every request for `path` with a redirect (302) to `to`.
    pub fn redirect(&self, path: &str, to: &str) {
        self.script(path, [Reply::redirect(to).forever()]);
    }

    /// Sets the rule that answers what no script answers; `None` leaves a request to its resource.
    pub fn rule(&self, rule: impl Fn(&Request) -> Option<Reply> + Send + Sync + 'static) {
        self.shared.content().rule = Some(shared::Rule(Arc::new(rule)));
    }

    /// Has `service` answer for everything below the folder `prefix` that no script and no rule answers; `None` leaves a request
    /// to its resource.
    pub fn serve(&self, prefix: &str, service: impl Fn(&Request) -> Option<Reply> + Send + Sync + 'static) {
        self.shared.content().services.push((format!("{prefix}/"), shared::Rule(Arc::new(service))));
    }

    /// Returns the absolute URL of `path`.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base())
    }

    /// Returns the start of every URL, without a slash at its end.
    pub fn base(&self) -> String {
        let scheme = if self.shared.config.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// Returns the address it listens at.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the requests received so far, in the order of arrival.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.log().iter().map(|entry| entry.snapshot()).collect()
    }

    /// Returns the requests for one path.
    pub fn requests_for(&self, path: &str) -> Vec<Request> {
        self.requests().into_iter().filter(|r| r.path == path).collect()
    }

    /// Returns the number of body bytes handed to the sockets, over all requests.
    pub fn body_bytes_sent(&self) -> u64 {
        self.shared.counters.body_bytes.get()
    }

    /// Returns the number of connections accepted.
    pub fn connections(&self) -> u64 {
        self.shared.counters.connections.get()
    }

    /// Returns the largest number of requests that were being answered at once.
    pub fn max_in_flight(&self) -> u64 {
        self.shared.counters.max_in_flight.get()
    }

    /// Returns the number of requests being answered now.
    pub fn in_flight(&self) -> u64 {
        self.shared.counters.in_flight.get()
    }

    /// Forgets the requests and sets the counters to zero; scripts and their progress stay.
    pub fn reset_log(&self) {
        self.shared.reset_log();
    }

    /// Closes every connection now, idle or not, and goes on accepting new ones.
    pub fn disconnect(&self) {
        self.shared.disconnect.send_modify(|generation| *generation += 1);
    }

    /// Tells every HTTP/2 connection to go away (`GOAWAY`): what is under way is still answered.
    pub fn go_away(&self) {
        self.shared.go_away.send_modify(|generation| *generation += 1);
    }

    /// Blocks until `condition` holds, and says whether it did within `limit`.
    pub fn wait_until(&self, limit: Duration, condition: impl Fn(&Self) -> bool) -> bool {
        let start = Instant::now();
        while !condition(self) {
            if start.elapsed() > limit {
                return false;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        true
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        // A send error means that the thread has ended already.
        let _ = self.stop.take().map(|stop| stop.send(()));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Settings of an [`Origin`].
#[derive(Clone, Debug, Default)]
pub struct Builder {
    config: Config,
}

impl Builder {
    /// Waits this many milliseconds before each answer.
    pub fn latency(mut self, ms: u64) -> Self {
        self.config.latency = Duration::from_millis(ms);
        self
    }

    /// Waits this many milliseconds more before the first answer of each connection.
    pub fn connect_latency(mut self, ms: u64) -> Self {
        self.config.connect_latency = Duration::from_millis(ms);
        self
    }

    /// Limits the body bytes of each connection to this many a second.
    pub fn rate_per_connection(mut self, bytes_per_s: u64) -> Self {
        self.config.rate_per_connection = Some(bytes_per_s.max(1));
        self
    }

    /// Bounds the bytes the system holds between the origin and a client that does not read.
    ///
    /// Without it loopback sockets swallow megabytes, and [`Origin::body_bytes_sent`] runs ahead of the client.
    pub fn send_buffer(mut self, bytes: u32) -> Self {
        self.config.send_buffer = Some(bytes);
        self
    }

    /// Speaks TLS, as `identity`.
    ///
    /// # Errors
    /// A certificate that can't be used.
    pub fn tls(self, identity: &Identity) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        self.speaking(identity, &["http/1.1"])
    }

    /// Speaks TLS, and HTTP/2 with clients that offer it.
    ///
    /// # Errors
    /// As [`tls`](Self::tls).
    pub fn http2(self, identity: &Identity) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        self.speaking(identity, &["h2", "http/1.1"])
    }

    /// Speaks TLS, and nothing but HTTP/2.
    ///
    /// # Errors
    /// As [`tls`](Self::tls).
    pub fn http2_only(self, identity: &Identity) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        self.speaking(identity, &["h2"])
    }

    fn speaking(
        mut self,
        identity: &Identity,
        protocols: &[&str],
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        self.config.tls = Some(shared::Tls(identity.server(protocols)?));
        Ok(self)
    }

    /// Allows this many HTTP/2 streams at once on a connection.
    pub fn max_streams(mut self, most: u32) -> Self {
        self.config.max_streams = Some(most);
        self
    }

    /// Starts on a free port of 127.0.0.1.
    pub fn start(self) -> Origin {
        self.bind("127.0.0.1:0").expect("loopback has a free port")
    }

    /// Starts at `address`.
    ///
    /// # Errors
    ///
    /// As [`Origin::bind`].
    pub fn bind(self, address: &str) -> io::Result<Origin> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = {
            let _context = runtime.enter();
            self.listen(address)?
        };
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::new(self.config));
        let (stop, stopped) = oneshot::channel();
        let accepting = connection::accept(listener, Arc::clone(&shared));
        let thread = std::thread::Builder::new().name("origin".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = stopped => {}
                    () = accepting => {}
                }
            });
        })?;
        Ok(Origin { shared, address, stop: Some(stop), thread: Some(thread) })
    }

    fn listen(&self, address: &str) -> io::Result<TcpListener> {
        let address: SocketAddr =
            address.parse().map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e))?;
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        // Elsewhere the option lets two sockets share a port.
        #[cfg(unix)]
        socket.set_reuseaddr(true)?;
        // Accepted sockets inherit it.
        if let Some(bytes) = self.config.send_buffer {
            socket.set_send_buffer_size(bytes)?;
        }
        socket.bind(address)?;
        socket.listen(1024)
    }
}
