//! A registry on this machine, for rehearsals: a sparse index, uploads, downloads, owners. All of it in memory.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::{Context, Result, ensure};
use hls_testkit::judge::sha256;
use serde_json::{Value, json};

/// What an upload has to show.
pub(crate) const TOKEN: &str = "rehearsal";
/// Who owns what is uploaded.
pub(crate) const OWNER: &str = "rehearsal";
const UPLOAD_AT_MOST: u64 = 32 << 20;

/// An answer to an upload that is not taken: the lines behind `HTTP/1.1 `, and the body.
pub(crate) type Refusal = (String, String);

pub(crate) struct LocalRegistry {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    packages: BTreeMap<String, Vec<Package>>,
    owners: BTreeMap<String, String>,
    uploads: Vec<String>,
    refusals: VecDeque<Refusal>,
}

struct Package {
    version: String,
    line: String,
    archive: Vec<u8>,
}

struct Request {
    method: String,
    path: String,
    token: Option<String>,
    body: Vec<u8>,
}

struct Answer {
    head: String,
    body: Vec<u8>,
}

impl LocalRegistry {
    /// Starts to serve; it ends with the process.
    pub(crate) fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                // A peer that hangs up is no matter of ours.
                thread::spawn(move || serve(&stream, &shared, address).ok());
            }
        });
        Ok(Self { address, state })
    }

    pub(crate) fn index(&self) -> String {
        format!("sparse+http://{}/index/", self.address)
    }

    /// Returns what was uploaded, as `NAME VERSION`, in order.
    pub(crate) fn uploads(&self) -> Vec<String> {
        lock(&self.state).uploads.clone()
    }

    /// Answers the next upload like this, and takes nothing.
    pub(crate) fn refuse_next(&self, refusal: Refusal) {
        lock(&self.state).refusals.push_back(refusal);
    }

    /// Puts a package there that somebody else has published, or takes it away.
    pub(crate) fn set_stranger(&self, name: &str, package: Option<(&str, Vec<u8>)>) {
        let mut state = lock(&self.state);
        match package {
            Some((version, archive)) => {
                let line = json!({ "name": name, "vers": version, "deps": [], "cksum": sha256(&archive), "features": {}, "yanked": false });
                let package = Package { version: version.to_owned(), line: line.to_string(), archive };
                state.packages.insert(name.to_owned(), vec![package]);
                state.owners.insert(name.to_owned(), "a-stranger".to_owned());
            }
            None => {
                state.packages.remove(name);
                state.owners.remove(name);
            }
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(stream: &TcpStream, state: &Mutex<State>, address: SocketAddr) -> Result<()> {
    let request = read(stream)?;
    let answer = lock(state).answer(&request, address);
    let mut writer = stream;
    write!(
        writer,
        "HTTP/1.1 {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        answer.head,
        answer.body.len()
    )?;
    writer.write_all(&answer.body)?;
    Ok(())
}

fn read(stream: &TcpStream) -> Result<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = || -> Result<String> {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    };
    let first = line()?;
    let mut words = first.split(' ');
    let (method, path) =
        (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default().to_owned());
    let (mut length, mut token, mut waits) = (0, None, false);
    loop {
        let header = line()?;
        let Some((name, value)) = header.split_once(": ") else { break };
        match name.to_lowercase().as_str() {
            "content-length" => length = value.parse::<u64>().context("a length that is no number")?,
            "authorization" => token = Some(value.to_owned()),
            "expect" => waits = true,
            _ => {}
        }
    }
    ensure!(length <= UPLOAD_AT_MOST, "an upload of {length} bytes");
    if waits {
        let mut writer = stream;
        writer.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    let mut body = Vec::new();
    reader.take(length).read_to_end(&mut body)?;
    Ok(Request { method, path, token, body })
}

impl State {
    fn answer(&mut self, request: &Request, address: SocketAddr) -> Answer {
        let parts: Vec<&str> = request.path.trim_matches('/').split('/').collect();
        match (request.method.as_str(), &parts[..]) {
            ("GET", ["index", "config.json"]) => {
                let base = format!("http://{address}");
                Answer::json(&json!({ "dl": format!("{base}/api/v1/crates"), "api": base }))
            }
            ("GET", ["index", .., name]) => match self.packages.get(*name) {
                Some(packages) => {
                    let lines: Vec<&str> = packages.iter().map(|package| package.line.as_str()).collect();
                    Answer::ok(lines.join("\n").into_bytes())
                }
                None => Answer::absent(),
            },
            ("GET", ["api", "v1", "crates", name, "owners"]) => match self.owners.get(*name) {
                Some(owner) => Answer::json(&json!({ "users": [{ "id": 1, "login": owner, "name": null }] })),
                None => Answer::absent(),
            },
            ("GET", ["api", "v1", "crates", name, version, "download"]) => {
                let package =
                    self.packages.get(*name).into_iter().flatten().find(|one| one.version == *version);
                package.map_or_else(Answer::absent, |package| Answer::ok(package.archive.clone()))
            }
            ("PUT", ["api", "v1", "crates", "new"]) => self.upload(request),
            _ => Answer::absent(),
        }
    }

    fn upload(&mut self, request: &Request) -> Answer {
        if request.token.as_deref() != Some(TOKEN) {
            return Answer { head: "403 Forbidden".to_owned(), body: b"{}".to_vec() };
        }
        if let Some((head, body)) = self.refusals.pop_front() {
            return Answer { head, body: body.into_bytes() };
        }
        match self.take(&request.body) {
            Ok(()) => Answer::json(
                &json!({ "warnings": { "invalid_categories": [], "invalid_badges": [], "other": [] } }),
            ),
            Err(error) => Answer::json(&json!({ "errors": [{ "detail": format!("{error:#}") }] })),
        }
    }

    /// Takes in a package: a length, its metadata, a length, its archive (the Cargo Book, "Web API").
    fn take(&mut self, body: &[u8]) -> Result<()> {
        let (metadata, rest) = counted(body)?;
        let (archive, rest) = counted(rest)?;
        ensure!(rest.is_empty(), "something behind the package");
        let metadata: Value = serde_json::from_slice(metadata)?;
        let field =
            |name: &str| metadata[name].as_str().map(str::to_owned).with_context(|| format!("no {name}"));
        let (name, version) = (field("name")?, field("vers")?);
        let packages = self.packages.entry(name.clone()).or_default();
        ensure!(packages.iter().all(|one| one.version != version), "{name} {version} is already uploaded");
        let line = json!({
            "name": name,
            "vers": version,
            "deps": dependencies(&metadata),
            "cksum": sha256(archive),
            "features": {},
            "features2": metadata["features"],
            "yanked": false,
            "links": metadata["links"],
            "rust_version": metadata["rust_version"],
            "v": 2,
        });
        packages.push(Package {
            version: version.clone(),
            line: line.to_string(),
            archive: archive.to_vec(),
        });
        self.owners.entry(name.clone()).or_insert_with(|| OWNER.to_owned());
        self.uploads.push(format!("{name} {version}"));
        Ok(())
    }
}

impl Answer {
    fn ok(body: Vec<u8>) -> Self {
        Self { head: "200 OK".to_owned(), body }
    }

    fn json(value: &Value) -> Self {
        Self::ok(value.to_string().into_bytes())
    }

    fn absent() -> Self {
        Self { head: "404 Not Found".to_owned(), body: Vec::new() }
    }
}

fn counted(bytes: &[u8]) -> Result<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>().context("an upload that is cut")?;
    let length = u32::from_le_bytes(*length) as usize;
    rest.split_at_checked(length).context("an upload that is cut")
}

/// Writes dependencies as an index has them, which is not as uploads have them.
fn dependencies(metadata: &Value) -> Vec<Value> {
    let all = metadata["deps"].as_array().into_iter().flatten();
    all.map(|one| {
        let renamed = one["explicit_name_in_toml"].as_str();
        json!({
            "name": renamed.map_or_else(|| one["name"].clone(), Value::from),
            "package": renamed.map(|_| one["name"].clone()),
            "req": one["version_req"],
            "features": one["features"],
            "optional": one["optional"],
            "default_features": one["default_features"],
            "target": one["target"],
            "kind": one["kind"],
            "registry": one["registry"],
        })
    })
    .collect()
}
