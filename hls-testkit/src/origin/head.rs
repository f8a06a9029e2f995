//! Reading the head of a request.

use std::io;

use tokio::io::AsyncReadExt;

use super::stream::Stream;

const LIMIT: usize = 256 * 1024;

#[derive(Debug, Default)]
pub(super) struct Head {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) headers: Vec<(String, String)>,
}

/// Reads one head; `None` when the client has closed the connection.
///
/// What follows the head stays in `buffer`.
pub(super) async fn read(stream: &mut Stream, buffer: &mut Vec<u8>) -> io::Result<Option<Head>> {
    loop {
        if let Some(end) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = parse(&String::from_utf8_lossy(&buffer[..end]))?;
            buffer.drain(..end + 4);
            return Ok(Some(head));
        }
        if buffer.len() > LIMIT {
            return Err(malformed("a head without end"));
        }
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
}

fn parse(text: &str) -> io::Result<Head> {
    let mut lines = text.split("\r\n");
    let mut first = lines.next().unwrap_or_default().split(' ');
    let (Some(method), Some(target), Some(_version)) = (first.next(), first.next(), first.next()) else {
        return Err(malformed("no request line"));
    };
    // The absolute form is what a client sends to a proxy.
    let local = match target.strip_prefix("http://") {
        Some(rest) => rest.find('/').map_or("/", |slash| &rest[slash..]),
        None => target,
    };
    let (path, query) = local.split_once('?').unwrap_or((local, ""));
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    Ok(Head {
        method: method.to_owned(),
        target: target.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers,
    })
}

fn malformed(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() -> io::Result<()> {
        let check = |target: &str, path: &str, query: &str| -> io::Result<()> {
            let head = parse(&format!("GET {target} HTTP/1.1\r\nX-A: b: c"))?;
            assert_eq!((head.path.as_str(), head.query.as_str()), (path, query));
            assert_eq!(head.headers, [("x-a".to_owned(), "b: c".to_owned())]);
            Ok(())
        };
        check("/a.ts", "/a.ts", "")?;
        check("/a.ts?x=1?y", "/a.ts", "x=1?y")?;
        check("http://host:1/a?b", "/a", "b")?;
        check("http://host", "/", "")
    }
}
