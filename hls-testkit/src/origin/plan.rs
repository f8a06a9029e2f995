//! From a reply, a resource and a request to the response that is sent.

use bytes::Bytes;

use super::log::Request;
use super::reply::{Change, Framing, RangeRule, Reply, Source};
use super::resource::{Resource, content_type_of};
use crate::noise;

/// A response, ready to send.
pub(super) struct Plan {
    pub(super) status: u16,
    pub(super) body: Bytes,
    headers: Vec<(String, String)>,
    framing: Framing,
}

impl Plan {
    /// Returns the head as it goes over the wire.
    pub(super) fn head(&self) -> String {
        let version = if self.framing == Framing::UntilClose { "1.0" } else { "1.1" };
        let mut head = format!("HTTP/{version} {} {}\r\n", self.status, reason(self.status));
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        head
    }

    pub(super) fn fields(&self) -> &[(String, String)] {
        &self.headers
    }

    fn set(&mut self, name: &str, value: impl Into<String>) {
        self.headers.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.into()));
    }
}

/// Decides the response; `None` where the reply is not one (raw bytes, silence).
pub(super) fn plan(reply: &Reply, resource: Option<&Resource>, request: &Request) -> Option<Plan> {
    let mut plan = match (&reply.source, resource) {
        (Source::Raw(_) | Source::Hang | Source::Refuse, _) => return None,
        (Source::Fixed { status, body, content_type }, _) => fixed(*status, body.clone(), content_type),
        (Source::Given(resource), _) => of_resource(reply, resource, request),
        (Source::Resource, None) => fixed(404, Bytes::from_static(b"not found\n"), "text/plain"),
        (Source::Resource, Some(resource)) => of_resource(reply, resource, request),
    };
    plan.framing = reply.framing;
    match reply.framing {
        Framing::Length if plan.status == 304 => {}
        Framing::Length => plan.set("content-length", plan.body.len().to_string()),
        Framing::Claimed(claimed) => plan.set("content-length", claimed.to_string()),
        Framing::Chunked => plan.set("transfer-encoding", "chunked"),
        Framing::UntilClose => plan.set("connection", "close"),
    }
    for (name, value) in &reply.headers {
        plan.set(name, value);
    }
    Some(plan)
}

fn fixed(status: u16, body: Bytes, content_type: &str) -> Plan {
    let mut plan = Plan { status, body, headers: Vec::new(), framing: Framing::Length };
    plan.set("content-type", content_type);
    plan
}

fn of_resource(reply: &Reply, resource: &Resource, request: &Request) -> Plan {
    let body = changed(reply.change, &resource.body);
    let content_type = resource.content_type.as_deref().unwrap_or_else(|| content_type_of(&request.path));
    let mut plan = fixed(200, body.clone(), content_type);
    for (name, value) in &resource.headers {
        plan.set(name, value);
    }
    if let Some(etag) = &resource.etag {
        plan.set("etag", etag);
        if request.header("if-none-match") == Some(etag) {
            plan.status = 304;
            plan.body = Bytes::new();
            return plan;
        }
    }
    if let Some(date) = &resource.last_modified {
        plan.set("last-modified", date);
    }
    let rule = if resource.ranges { reply.range } else { RangeRule::Ignore };
    plan.set("accept-ranges", if rule == RangeRule::Ignore { "none" } else { "bytes" });

    let total = body.len();
    let current = request.header("if-range").is_none_or(|validator| resource.matches_strongly(validator));
    let asked = request.header("range").filter(|_| current).and_then(|value| range(value, total));
    let served = match (rule, asked) {
        (RangeRule::Ignore, _) | (RangeRule::Honour, None) => return plan,
        (RangeRule::Honour, Some(asked)) => asked,
        (RangeRule::Shift, asked) => {
            let (from, to) = asked.unwrap_or((0, total));
            ((from + 1).min(total), (to + 1).min(total))
        }
    };
    let (from, to) = served;
    if from >= to {
        plan.status = 416;
        plan.body = Bytes::new();
        plan.set("content-range", format!("bytes */{total}"));
    } else {
        plan.status = 206;
        plan.body = body.slice(from..to);
        plan.set("content-range", format!("bytes {from}-{}/{total}", to - 1));
    }
    plan
}

fn changed(change: Change, body: &Bytes) -> Bytes {
    match change {
        Change::Nothing => body.clone(),
        Change::Halve => {
            let half = body.len() / 2;
            body.slice(..if half > 188 { half / 188 * 188 } else { half })
        }
        Change::Noise(n) => {
            let mut noisy = body.to_vec();
            let n = n.min(noisy.len());
            let from = (noisy.len() - n) / 2;
            noise::fill(&mut noisy[from..from + n], 0x6e6f_6973);
            noisy.into()
        }
    }
}

/// Reads a `Range` of one part (RFC 9110, 14.1.2) as a half-open range; an empty one can't be satisfied.
fn range(value: &str, total: usize) -> Option<(usize, usize)> {
    let (first, last) = value.strip_prefix("bytes=")?.split_once('-')?;
    if first.is_empty() {
        return Some((total.saturating_sub(last.parse().ok()?), total));
    }
    let from: usize = first.parse().ok()?;
    let to = if last.is_empty() { total } else { last.parse::<usize>().ok()?.saturating_add(1).min(total) };
    Some((from, to))
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        206 => "Partial Content",
        302 => "Found",
        304 => "Not Modified",
        403 => "Forbidden",
        404 => "Not Found",
        416 => "Range Not Satisfiable",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Status",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        let check = |value, expect| assert_eq!(range(value, 10), expect, "{value}");
        check("bytes=0-3", Some((0, 4)));
        check("bytes=4-", Some((4, 10)));
        check("bytes=-3", Some((7, 10)));
        check("bytes=5-99", Some((5, 10)));
        check("bytes=10-", Some((10, 10)));
        check("bytes=0-1,4-5", None);
        check("lines=0-1", None);
    }
}
