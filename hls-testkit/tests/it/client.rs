//! An HTTP client that hides nothing.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use hls_testkit::Origin;

/// A response as it came, and how its body ended.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) end: io::Result<()>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn end_kind(&self) -> Option<io::ErrorKind> {
        self.end.as_ref().err().map(io::Error::kind)
    }
}

pub(crate) struct Client(BufReader<TcpStream>);

impl Client {
    pub(crate) fn connect(origin: &Origin) -> io::Result<Self> {
        Self::with_patience(origin, Duration::from_secs(30))
    }

    /// Connects, and waits no longer than that for the next bytes.
    pub(crate) fn with_patience(origin: &Origin, patience: Duration) -> io::Result<Self> {
        let stream = TcpStream::connect(origin.address())?;
        stream.set_read_timeout(Some(patience))?;
        Ok(Self(BufReader::new(stream)))
    }

    pub(crate) fn ask(&mut self, method: &str, target: &str, headers: &[&str]) -> io::Result<Answer> {
        let mut request = format!("{method} {target} HTTP/1.1\r\nhost: test\r\n");
        for header in headers {
            request.push_str(header);
            request.push_str("\r\n");
        }
        request.push_str("\r\n");
        self.0.get_mut().write_all(request.as_bytes())?;

        let status = self.line()?;
        let mut headers = Vec::new();
        while let Some((name, value)) = self.line()?.split_once(": ") {
            headers.push((name.to_owned(), value.to_owned()));
        }
        let mut answer = Answer { status, headers, body: Vec::new(), end: Ok(()) };
        if method != "HEAD" && !answer.status.contains(" 304 ") {
            answer.end = self.body(&mut answer);
        }
        Ok(answer)
    }

    /// Reads to the end of the connection.
    pub(crate) fn rest(&mut self) -> io::Result<Vec<u8>> {
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest)?;
        Ok(rest)
    }

    fn body(&mut self, answer: &mut Answer) -> io::Result<()> {
        if answer.header("transfer-encoding") == Some("chunked") {
            loop {
                let size = self.line()?;
                let size = usize::from_str_radix(&size, 16).map_err(|_| io::ErrorKind::UnexpectedEof)?;
                self.exactly(size, &mut answer.body)?;
                self.line()?;
                if size == 0 {
                    return Ok(());
                }
            }
        }
        match answer.header("content-length").and_then(|n| n.parse().ok()) {
            Some(n) => self.exactly(n, &mut answer.body),
            None => self.0.read_to_end(&mut answer.body).map(drop),
        }
    }

    /// Keeps what came before an error, unlike `read_exact`.
    fn exactly(&mut self, n: usize, into: &mut Vec<u8>) -> io::Result<()> {
        match self.0.by_ref().take(n as u64).read_to_end(into)? {
            got if got == n => Ok(()),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }
}

/// One request on a connection of its own.
pub(crate) fn get(origin: &Origin, target: &str, headers: &[&str]) -> io::Result<Answer> {
    Client::connect(origin)?.ask("GET", target, headers)
}
