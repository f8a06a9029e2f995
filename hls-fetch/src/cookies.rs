//! Cookie files in Netscape's format, as curl and browsers' exporters write them.

/// Why a cookie file can't be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CookieFileError {
    /// A line without the seven tab-separated fields.
    #[error("line {line} does not have the seven fields of a cookie")]
    Fields {
        /// The line, counted from 1.
        line: usize,
    },
}

/// Reads a cookie file: for each cookie the host it came from and a `Set-Cookie` value.
///
/// `#HttpOnly_` lines are cookies too. Whether a cookie has expired is judged by who stores it.
///
/// # Errors
/// A line that is neither comment nor cookie.
pub fn parse_cookie_file(text: &str) -> Result<Vec<(String, String)>, CookieFileError> {
    let mut cookies = Vec::new();
    for (n, line) in text.lines().enumerate() {
        let line = line.trim_end_matches('\r');
        let line = line.strip_prefix("#HttpOnly_").unwrap_or(line);
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let fields: Vec<&str> = line.split('\t').collect();
        let [domain, subdomains, path, secure, expires, name, value] = fields[..] else {
            return Err(CookieFileError::Fields { line: n + 1 });
        };
        let host = domain.trim_start_matches('.').to_ascii_lowercase();
        let mut cookie = format!("{name}={value}; Path={path}");
        if subdomains.eq_ignore_ascii_case("TRUE") || domain.starts_with('.') {
            cookie.push_str(&format!("; Domain={host}"));
        }
        if secure.eq_ignore_ascii_case("TRUE") {
            cookie.push_str("; Secure");
        }
        // Zero marks a session cookie.
        if let Ok(at @ 1..) = expires.parse::<u64>() {
            let at = std::time::UNIX_EPOCH.checked_add(std::time::Duration::from_secs(at));
            let expired = at.is_some_and(|at| at < std::time::SystemTime::now());
            if expired {
                continue;
            }
        }
        cookies.push((host, cookie));
    }
    Ok(cookies)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files() {
        let text = "# Netscape HTTP Cookie File\n\n.example.com\tTRUE\t/\tTRUE\t0\tsid\tabc\r\n\
                    #HttpOnly_h.example\tFALSE\t/v\tFALSE\t4102444800\tk\tv=1\nold.example\tFALSE\t/\tFALSE\t1\ta\tb\n";
        let expect =
            [("example.com", "sid=abc; Path=/; Domain=example.com; Secure"), ("h.example", "k=v=1; Path=/v")];
        let expect: Vec<_> = expect.iter().map(|(h, c)| (h.to_string(), c.to_string())).collect();
        assert_eq!(parse_cookie_file(text), Ok(expect));
        assert_eq!(parse_cookie_file("k=v"), Err(CookieFileError::Fields { line: 1 }));
    }
}
