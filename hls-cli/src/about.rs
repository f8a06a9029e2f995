//! `hls --version -v`: what a report of a fault has to say of program and machine, without a secret in it.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use url::Url;

use crate::human;
use crate::limits;

/// Where systems keep their certificates; the first that is there is read.
const CERTIFICATES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/etc/ssl/certs",
];
const PROXIES: [&str; 7] =
    ["http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"];
const CERTIFICATE_VARIABLES: [&str; 2] = ["SSL_CERT_FILE", "SSL_CERT_DIR"];

/// What is known of the place in which the program runs.
struct Place {
    /// Names and values of variables that are set.
    proxies: Vec<(&'static str, String)>,
    certificates: Vec<String>,
    descriptors: Option<u64>,
    free: Option<u64>,
}

pub(crate) fn run() -> ExitCode {
    // Where nobody listens, there is nobody to tell.
    let _ = io::stdout().write_all(text().as_bytes());
    ExitCode::SUCCESS
}

/// Returns the version and all that belongs to it, a line for each.
fn text() -> String {
    let set = |name: &'static str| Some((name, std::env::var(name).ok().filter(|value| !value.is_empty())?));
    let named =
        CERTIFICATE_VARIABLES.into_iter().filter_map(set).map(|(name, value)| format!("{name}={value}"));
    let mut certificates: Vec<String> = named.collect();
    if certificates.is_empty() && cfg!(all(unix, not(target_vendor = "apple"))) {
        let found = CERTIFICATES.into_iter().find(|path| Path::new(path).exists());
        certificates.push(found.unwrap_or("none found").to_owned());
    }
    let place = Place {
        proxies: PROXIES.into_iter().filter_map(set).collect(),
        certificates,
        descriptors: limits::descriptors(),
        free: hls_state::free_space(Path::new(".")),
    };
    place.text()
}

impl Place {
    fn text(&self) -> String {
        let mut text = format!("hls {}\n", env!("CARGO_PKG_VERSION"));
        let mut line = |name: &str, what: &str| {
            // What is written to a string is written.
            let _ = writeln!(text, "{:<12} {}", format!("{name}:"), hls_fetch::escaped(what, 2000));
        };
        let environment = if cfg!(target_env = "musl") { ", static" } else { "" };
        line("system", &format!("{} {}{environment}", std::env::consts::OS, std::env::consts::ARCH));
        line("features", if cfg!(feature = "sled") { "sled" } else { "none" });
        let descriptors = self.descriptors.map_or_else(|| "not told".to_owned(), |most| most.to_string());
        let at_once = human::count(limits::segments_at_once(limits::UNLESS_TOLD) as u64, "segment");
        line("open files", &format!("{descriptors} at most, so {at_once} at once"));
        let proxies: Vec<String> =
            self.proxies.iter().map(|(name, value)| format!("{name}={}", proxy(name, value))).collect();
        line("proxies", &if proxies.is_empty() { "none".to_owned() } else { proxies.join(" ") });
        let certificates = if self.certificates.is_empty() {
            "the system's".to_owned()
        } else {
            self.certificates.join(", ")
        };
        line("TLS roots", &certificates);
        let free = self.free.map_or_else(|| "not told".to_owned(), human::bytes);
        line("disk", &format!("{free} free in this folder"));
        text
    }
}

/// Shows a proxy without its credentials; one that can't be read may have them anywhere.
fn proxy(name: &str, value: &str) -> String {
    if name.eq_ignore_ascii_case("no_proxy") {
        return value.to_owned();
    }
    let url =
        Url::parse(value).ok().filter(Url::has_host).or_else(|| Url::parse(&format!("http://{value}")).ok());
    url.map_or_else(|| "…".to_owned(), |url| hls_fetch::redacted(&url))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_secret_is_shown() {
        let place = Place {
            proxies: vec![
                ("https_proxy", "http://me:sesame@proxy.example:3128".to_owned()),
                ("ALL_PROXY", "me:sesame@proxy.example:3128".to_owned()),
                ("http_proxy", "::sesame::".to_owned()),
                ("no_proxy", "localhost,.example".to_owned()),
            ],
            certificates: vec!["SSL_CERT_FILE=/x/\u{1b}[31m.pem".to_owned()],
            descriptors: Some(1024),
            free: Some(3 << 30),
        };
        let text = place.text();
        for expect in [
            concat!("hls ", env!("CARGO_PKG_VERSION"), "\n"),
            "https_proxy=http://…@proxy.example:3128",
            "ALL_PROXY=http://…@proxy.example:3128",
            "http_proxy=…",
            "no_proxy=localhost,.example",
            "open files:  1024 at most, so 16 segments at once\n",
            "disk:        3.0 GiB free in this folder\n",
        ] {
            assert!(text.contains(expect), "{expect:?} is not in {text}");
        }
        assert!(!text.contains("sesame") && !text.contains('\u{1b}'), "{text}");
    }

    #[test]
    fn what_is_not_known_is_said() {
        let place = Place { proxies: Vec::new(), certificates: Vec::new(), descriptors: None, free: None };
        let text = place.text();
        for expect in ["proxies:     none\n", "TLS roots:   the system's\n", "not told"] {
            assert!(text.contains(expect), "{expect:?} is not in {text}");
        }
    }
}
