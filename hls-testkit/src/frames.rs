//! A server whose HTTP/2 frames are written by hand, for what no library would send.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

use crate::Identity;

/// What a [`FramePeer`] does next on a connection.
#[derive(Clone, Debug)]
pub enum Act {
    /// Sends these bytes.
    Send(Vec<u8>),
    /// Sends these bytes over and over, until the client goes away.
    Flood(Vec<u8>),
    /// Waits for the headers of the next request.
    AwaitRequest,
    /// Closes the connection.
    Close,
}

/// One frame (RFC 9113 section 4.1) of this kind, with these flags, on this stream.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The kinds of frames (RFC 9113 section 6).
#[allow(missing_docs)]
pub mod kind {
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
    pub const CONTINUATION: u8 = 9;
}

/// The headers of an answer with status 200 on this stream: one entry of the static table of HPACK (RFC 7541).
pub fn ok(stream: u32) -> Vec<u8> {
    const END_HEADERS: u8 = 4;
    frame(kind::HEADERS, END_HEADERS, stream, &[0x88])
}

/// The last bytes of the answer on this stream.
pub fn data(stream: u32, bytes: &[u8]) -> Vec<u8> {
    const END_STREAM: u8 = 1;
    frame(kind::DATA, END_STREAM, stream, bytes)
}

/// "Go away": nothing after stream `last` was looked at.
pub fn go_away(last: u32, reason: u32) -> Vec<u8> {
    frame(kind::GOAWAY, 0, 0, &[last.to_be_bytes(), reason.to_be_bytes()].concat())
}

/// A server that speaks TLS and then sends what it is told, stopped when dropped.
#[derive(Debug)]
pub struct FramePeer {
    address: SocketAddr,
    connections: Arc<AtomicU64>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl FramePeer {
    /// Starts on a free port of 127.0.0.1; `script` says what happens on the connection with this number, from 1, after the
    /// settings of both sides.
    ///
    /// # Errors
    /// No port is free, or the certificate can't be used.
    pub fn start(
        identity: &Identity,
        script: impl Fn(u64) -> Vec<Act> + Send + 'static,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let acceptor = TlsAcceptor::from(identity.server(&["h2"])?);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel();
        let connections = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&connections);
        let accepting = async move {
            let listener = TcpListener::from_std(listener)?;
            while let Ok((stream, _)) = listener.accept().await {
                let acts = script(counted.fetch_add(1, Ordering::Relaxed) + 1);
                // The client's departure is what some tests are about.
                tokio::spawn(play(acceptor.clone(), stream, acts));
            }
            io::Result::Ok(())
        };
        let thread = std::thread::Builder::new().name("frames".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = stopped => {}
                    // Without a socket there is nobody to answer, which the test then sees.
                    _ = accepting => {}
                }
            });
        })?;
        Ok(Self { address, connections, stop: Some(stop), thread: Some(thread) })
    }

    /// Returns the absolute URL of `path`.
    pub fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.address)
    }

    /// Returns the number of connections accepted.
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }
}

impl Drop for FramePeer {
    fn drop(&mut self) {
        // A send error means that the thread has ended already.
        let _ = self.stop.take().map(|stop| stop.send(()));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn play(acceptor: TlsAcceptor, stream: TcpStream, acts: Vec<Act>) -> io::Result<()> {
    const PREFACE: usize = 24;
    let (mut reader, mut writer) = tokio::io::split(acceptor.accept(stream).await?);
    reader.read_exact(&mut [0; PREFACE]).await?;
    writer.write_all(&frame(kind::SETTINGS, 0, 0, &[])).await?;
    writer.flush().await?;
    for act in acts {
        match act {
            Act::Send(bytes) => {
                writer.write_all(&bytes).await?;
                writer.flush().await?;
            }
            Act::Flood(bytes) => loop {
                writer.write_all(&bytes).await?;
            },
            Act::AwaitRequest => while next_kind(&mut reader).await? != kind::HEADERS {},
            Act::Close => return writer.shutdown().await,
        }
    }
    loop {
        next_kind(&mut reader).await?;
    }
}

/// Reads one frame and returns its kind.
async fn next_kind(reader: &mut (impl AsyncReadExt + Unpin)) -> io::Result<u8> {
    let mut head = [0; 9];
    reader.read_exact(&mut head).await?;
    let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
    reader.read_exact(&mut vec![0; length]).await?;
    Ok(head[3])
}
