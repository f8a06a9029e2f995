//! From request options to a client.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hls_fetch::{Client, Fetch, HeaderRules, LocalFiles};

use crate::args::RequestArgs;
use crate::input::{Input, read_file, read_text};
use crate::report::say;

/// Cookies, headers and certificates are no longer than this, in bytes.
const LARGEST_FILE: u64 = 16 << 20;

/// Builds the client for all jobs of a command.
pub(crate) fn client(
    args: &RequestArgs,
    connections: usize,
    stall: Duration,
    verbose: bool,
) -> Result<Client, String> {
    let shown = |e: hls_fetch::Error| e.to_string();
    let mut rules = HeaderRules::default();
    rules.add("user-agent", concat!("hls/", env!("CARGO_PKG_VERSION"))).map_err(shown)?;
    rules.add("accept", "*/*").map_err(shown)?;
    for header in headers(&args.header)? {
        add_header(&mut rules, &header, verbose)?;
    }
    let named = [("user-agent", &args.user_agent), ("referer", &args.referer)];
    for (name, value) in named.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?))) {
        rules.add(name, value.trim_end_matches(";auto")).map_err(shown)?;
    }
    for pair in args.header_for.chunks_exact(2) {
        let [host, header] = pair else { continue };
        let (name, value) = header.split_once(':').ok_or_else(|| format!("'{header}' is not a header"))?;
        rules.add_for_host(host, name, value).map_err(shown)?;
    }
    let mut cookies = Vec::new();
    for cookie in &args.cookie {
        if cookie.contains('=') {
            rules.add("cookie", cookie).map_err(shown)?;
        } else {
            let text = read_text(Path::new(cookie), LARGEST_FILE).map_err(|e| format!("cookie file {e}"))?;
            cookies.extend(
                hls_fetch::parse_cookie_file(&text).map_err(|e| format!("cookie file {cookie}: {e}"))?,
            );
        }
    }
    let mut builder = Client::builder()
        .rules(rules)
        .cookies(cookies)
        .connections(connections)
        .stall_timeout(stall)
        .http(args.http)
        .allow_http(args.allow_http)
        .allow_private(args.allow_private)
        .insecure(args.insecure);
    if let Some(file) = &args.ca {
        let pem = read_file(file, LARGEST_FILE)?;
        builder = builder.trust(&pem).map_err(|e| format!("{}: {e}", file.display()))?;
    }
    let variable =
        |names: [&str; 2]| names.iter().find_map(|n| std::env::var(n).ok()).filter(|v| !v.is_empty());
    let except = variable(["no_proxy", "NO_PROXY"]);
    match &args.proxy {
        Some(proxy) if proxy.is_empty() => {}
        Some(proxy) => builder = builder.proxy(proxy, None).map_err(shown)?,
        None => {
            // As in curl: only the lower-case name for http, which a server can't set through a gateway.
            let (http, https) = (variable(["http_proxy"; 2]), variable(["https_proxy", "HTTPS_PROXY"]));
            let all = variable(["all_proxy", "ALL_PROXY"]);
            if let Some(proxy) = http.or_else(|| all.clone()) {
                builder = builder.proxy_for(false, &proxy, except.as_deref()).map_err(shown)?;
            }
            if let Some(proxy) = https.or(all) {
                builder = builder.proxy_for(true, &proxy, except.as_deref()).map_err(shown)?;
            }
        }
    }
    builder.build().map_err(shown)
}

/// The transport for one input: its origin owns the credentials, and a local playlist may name files beside it.
pub(crate) fn transport(client: &Client, input: &Input) -> Result<Arc<dyn Fetch>, String> {
    let client = client.for_input(input.url());
    match input {
        Input::Text { folder: Some(folder), .. } => local(folder, client),
        _ => Ok(Arc::new(client)),
    }
}

fn local(folder: &Path, client: Client) -> Result<Arc<dyn Fetch>, String> {
    Ok(Arc::new(LocalFiles::inside(folder, client).map_err(|e| e.to_string())?))
}

fn headers(arguments: &[String]) -> Result<Vec<String>, String> {
    let mut all = Vec::new();
    for argument in arguments {
        match argument.strip_prefix('@') {
            None => all.push(argument.clone()),
            Some(file) => {
                let text =
                    read_text(Path::new(file), LARGEST_FILE).map_err(|e| format!("header file {e}"))?;
                all.extend(text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned));
            }
        }
    }
    Ok(all)
}

/// `K: V` adds, `K:` takes away, `K;` sends an empty value, as in curl.
fn add_header(rules: &mut HeaderRules, header: &str, verbose: bool) -> Result<(), String> {
    let (name, value) = match (header.split_once(':'), header.strip_suffix(';')) {
        (Some((name, value)), _) if value.trim().is_empty() => {
            rules.remove(name.trim());
            return Ok(());
        }
        (Some((name, value)), _) => (name, value),
        (None, Some(name)) => (name, ""),
        (None, None) => return Err(format!("'{}' is not a header", hls_fetch::escaped(header, 40))),
    };
    let sent = rules.add(name, value).map_err(|e| e.to_string())?;
    if !sent && verbose {
        say(&format!(
            "header {} is left out: a download sets it by itself",
            hls_fetch::escaped(name.trim(), 40)
        ));
    }
    Ok(())
}
