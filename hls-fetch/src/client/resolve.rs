//! Name look-up, with failures that can be told from failures to connect, and the choice of addresses.

use std::collections::HashSet;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolving};

use super::guard::{Guard, plain};

/// The future of a look-up.
pub type ResolveFuture<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send + 'a>>;

/// From a host name to addresses, in the order in which they are to be tried.
pub trait Resolve: fmt::Debug + Send + Sync + 'static {
    /// Looks `name` up.
    fn resolve<'a>(&'a self, name: &'a str) -> ResolveFuture<'a>;
}

/// The system's resolver.
#[derive(Debug)]
pub(super) struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, name: &'a str) -> ResolveFuture<'a> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// A name that could not be resolved.
#[derive(Debug, thiserror::Error)]
#[error("host name look-up failed")]
pub(super) struct LookupFailed(#[source] io::Error);

/// Attempts at the addresses of one family, where it has several.
const TURNS: usize = 8;

/// The addresses in the order of the attempts. The connector begins with the family of the first one and soon tries the other
/// beside it (RFC 8305), but within a family it shares its time out evenly and waits for one before it tries the next: of two
/// addresses a dead one would cost five seconds. Short turns that come round again cost a little more than one, and still hold
/// a second SYN, which follows after a second (RFC 6298).
fn turns(found: &[IpAddr]) -> Vec<IpAddr> {
    let (v4, v6): (Vec<_>, Vec<_>) = found.iter().copied().partition(IpAddr::is_ipv4);
    let families = if found.first().is_some_and(IpAddr::is_ipv4) { [v4, v6] } else { [v6, v4] };
    let repeated = families.iter().flat_map(|family| {
        let attempts = if family.len() > 1 { TURNS.max(family.len()) } else { family.len() };
        family.iter().copied().cycle().take(attempts)
    });
    repeated.collect()
}

/// What the connector asks: a resolver, and of its answer only what may be connected to. There is no second look-up, so what
/// is judged is what is connected to.
#[derive(Clone, Debug)]
pub(super) struct GuardedResolver {
    pub(super) resolver: Arc<dyn Resolve>,
    pub(super) guard: Arc<Guard>,
    /// Hosts of proxies, which the user has named.
    pub(super) proxies: HashSet<String>,
}

impl reqwest::dns::Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let this = self.clone();
        Box::pin(async move {
            let name = name.as_str();
            let mut found = this.resolver.resolve(name).await.map_err(LookupFailed)?;
            if !this.proxies.contains(&plain(name)) {
                found = this.guard.admit(name, found)?;
            }
            // The port is a placeholder: the connector puts in the real one.
            Ok(Box::new(turns(&found).into_iter().map(|ip| SocketAddr::new(ip, 0))) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_take_turns() {
        for (found, order) in [
            ("", ""),
            // One alone has all the time there is.
            ("1.1.1.1", "1.1.1.1"),
            ("::1 1.1.1.1", "::1 1.1.1.1"),
            ("1.1.1.1 1.1.1.2", "1.1.1.1 1.1.1.2 1.1.1.1 1.1.1.2 1.1.1.1 1.1.1.2 1.1.1.1 1.1.1.2"),
            ("1.1.1.1 ::1 ::2 ::3", "1.1.1.1 ::1 ::2 ::3 ::1 ::2 ::3 ::1 ::2"),
            ("::1 1.1.1.1 ::2", "::1 ::2 ::1 ::2 ::1 ::2 ::1 ::2 1.1.1.1"),
            ("::1 ::2 ::3 ::4 ::5 ::6 ::7 ::8 ::9", "::1 ::2 ::3 ::4 ::5 ::6 ::7 ::8 ::9"),
        ] {
            let ips = |text: &str| -> Vec<IpAddr> { text.split(' ').flat_map(str::parse).collect() };
            assert_eq!(turns(&ips(found)), ips(order), "{found}");
        }
    }
}
