//! One body for many parts: a server that ignores ranges sends all of a resource for each part of it, so one such answer is
//! handed to all parts, in the order in which it brings them.
//!
//! `line` decides. A body moves from part to part: who reads it reads his part, at his own speed, and leaves the rest to the next
//! one. So nothing of it is kept but the piece in which two parts meet, and no task of its own reads it.

mod line;
mod passing;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hls_fetch::{ByteRange, Error, Kind, Oddity, Request, Response};
use hls_state::Fingerprint;
use tokio::sync::Notify;
use url::Url;

use crate::transfer::attempt::{Transport, Way};
use crate::transfer::rate_limit::Account;
use crate::transfer::resources::Validators;
use line::{Came, Line, Turn};
use passing::{Passing, Reading};

/// A body that nobody reads is let go after this time: its server waits, and few wait for longer.
const LONGEST_IDLE: Duration = Duration::from_secs(60);
/// So many of them are kept at most.
const MOST_IDLE: usize = 8;

/// The resources that are had in parts, and the bodies that hold all of one.
#[derive(Debug, Default)]
pub(crate) struct Wholes {
    all: Mutex<All>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct All {
    lines: HashMap<u128, Line>,
    /// What servers say of resources that they have sent whole.
    said: HashMap<u128, Validators>,
    /// Servers that have honoured a range.
    honouring: HashSet<u128>,
    /// Bodies that nobody reads, those that have waited longest first.
    idle: VecDeque<Idle>,
    last: u64,
}

#[derive(Debug)]
struct Idle {
    of: u128,
    id: u64,
    passing: Passing,
    since: Instant,
}

impl All {
    fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn line(&mut self, of: u128, server: u128) -> &mut Line {
        let honoured = self.honouring.contains(&server);
        self.lines.entry(of).or_insert_with(|| Line::new(honoured))
    }

    fn park(&mut self, idle: Idle) {
        self.idle.push_back(idle);
        if self.idle.len() > MOST_IDLE {
            self.let_go();
        }
    }

    fn let_go(&mut self) {
        if let Some(Idle { of, id, .. }) = self.idle.pop_front()
            && let Some(line) = self.lines.get_mut(&of)
        {
            line.gone(id);
        }
    }
}

impl Wholes {
    /// Lets bodies go that nobody has read for long.
    pub(crate) fn sweep(&self, now: Instant) {
        let mut all = self.all();
        let is_old = |idle: &Idle| now.saturating_duration_since(idle.since) >= LONGEST_IDLE;
        while all.idle.front().is_some_and(is_old) {
            all.let_go();
            self.changed.notify_waiters();
        }
    }

    /// What its server says of a resource that it has sent whole in this run.
    pub(crate) fn said(&self, request: &Request) -> Option<Validators> {
        self.all().said.get(&resource(request)).copied()
    }

    fn join(self: &Arc<Self>, request: &Request, range: ByteRange) -> Ticket {
        let (of, server) = (resource(request), server(&request.url));
        let mut all = self.all();
        let id = all.next();
        all.line(of, server).join(id, (range.start, range.end.unwrap_or(u64::MAX)), now());
        drop(all);
        Ticket { wholes: Arc::clone(self), of, server, id, body: 0, position: 0 }
    }

    fn all(&self) -> MutexGuard<'_, All> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of a part in its line, given up when dropped.
#[derive(Debug)]
struct Ticket {
    wholes: Arc<Wholes>,
    of: u128,
    server: u128,
    id: u64,
    /// The body that it reads.
    body: u64,
    /// How far that has come.
    position: u64,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.with(|line, ticket| line.leave(ticket.id, ticket.position, now()));
    }
}

impl Ticket {
    fn with<T>(&self, with: impl FnOnce(&mut Line, &Self) -> T) -> T {
        let done = with(self.wholes.all().line(self.of, self.server), self);
        self.wholes.changed.notify_waiters();
        done
    }

    /// Whether parts of the resource are had from one body.
    fn shares(&self) -> bool {
        self.wholes.all().line(self.of, self.server).shares()
    }

    /// Waits until the part may be asked for, or read from a body.
    async fn turn(&mut self) -> Option<Passing> {
        let wholes = Arc::clone(&self.wholes);
        loop {
            let changed = wholes.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            match self.look() {
                (Turn::Ask, _) => return None,
                (Turn::Read(_), passing @ Some(_)) => return passing,
                (Turn::Read(_), None) => {}
                (Turn::Wait(None), _) => changed.await,
                (Turn::Wait(Some(until)), _) => {
                    let _ = tokio::time::timeout_at(until.into(), changed).await;
                }
            }
        }
    }

    fn look(&mut self) -> (Turn, Option<Passing>) {
        let mut all = self.wholes.all();
        let turn = all.line(self.of, self.server).turn(self.id, now());
        let Turn::Read(body) = turn else { return (turn, None) };
        let at = all.idle.iter().position(|idle| idle.id == body);
        let passing = at.and_then(|at| all.idle.remove(at)).map(|idle| idle.passing);
        if passing.is_none() {
            all.line(self.of, self.server).gone(body);
        }
        (self.body, self.position) = (body, passing.as_ref().map_or(0, |passing| passing.position));
        (turn, passing)
    }

    /// Whether the part that was asked for is to be had from a body.
    fn is_turned_back(&self) -> bool {
        self.wholes.all().line(self.of, self.server).is_turned_back(self.id)
    }

    /// Waits until that is so.
    async fn turned_back(&self) {
        loop {
            let changed = self.wholes.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.is_turned_back() {
                return;
            }
            changed.await;
        }
    }

    /// The answer is the part that was asked for.
    fn honoured(self) {
        let mut all = self.wholes.all();
        all.honouring.insert(self.server);
        all.line(self.of, self.server).honoured(self.id);
        let All { lines, idle, .. } = &mut *all;
        idle.retain(|idle| lines.get(&idle.of).is_some_and(|line| line.uses(idle.id)));
        drop(all);
        self.wholes.changed.notify_waiters();
    }

    /// The answer is all of the resource: it is for whoever is first in line.
    fn came_whole(&self, answer: Response) -> Result<(), Error> {
        let mut all = self.wholes.all();
        let (id, total, said) = (all.next(), answer.total, Validators::of(&answer));
        let came = all.line(self.of, self.server).came_whole(self.id, (id, total), now());
        match came {
            Came::TooFar => return Err(Error::new(Kind::RangeIgnored).at(&answer.url)),
            Came::Spare => {}
            Came::Shared => {
                all.said.insert(self.of, said);
                all.park(Idle { of: self.of, id, passing: Passing::new(answer), since: now() });
            }
        }
        drop(all);
        self.wholes.changed.notify_waiters();
        Ok(())
    }

    /// The part is read to its end; the rest is for others.
    fn has_read(self, passing: Passing) {
        let mut all = self.wholes.all();
        let line = all.line(self.of, self.server);
        line.has_read(self.id, passing.position);
        if passing.is_at_end() {
            line.gone(self.body);
        } else if line.uses(self.body) {
            all.park(Idle { of: self.of, id: self.body, passing, since: now() });
        }
        drop(all);
        self.wholes.changed.notify_waiters();
    }
}

impl Transport {
    /// The answer to a request for a part: one of its own, or what the part is in one that holds all of the resource. Tells when
    /// its own request was sent.
    pub(crate) async fn part(
        &self,
        request: Request,
        range: ByteRange,
        way: &Way,
        account: &mut Account<'_>,
    ) -> Result<(Response, Option<Instant>), Error> {
        let mut ticket = self.wholes.join(&request, range);
        loop {
            if let Some(passing) = ticket.turn().await {
                way.gauge.shares(true);
                let reading = Reading::new(ticket, passing, range);
                return self.reach(reading, way, account).await.map(|answer| (answer, None));
            }
            way.gauge.shares(ticket.shares());
            account.before_request().await;
            if ticket.is_turned_back() {
                continue;
            }
            let asked = Instant::now();
            way.gauge.asks();
            let asking = async {
                tokio::select! {
                    answer = self.fetch.fetch(request.clone().uncut()) => Some(answer),
                    () = ticket.turned_back() => None,
                }
            };
            let Some(answer) = way.gauge.waiting(asking).await else { continue };
            let answer = answer?;
            if answer.status != 200 || answer.oddity != Some(Oddity::Whole) {
                // One that does not say so was cut out by the transport.
                match answer.oddity {
                    Some(Oddity::Whole) => drop(ticket),
                    _ if answer.status == 206 => ticket.honoured(),
                    _ => {}
                }
                return Ok((answer, Some(asked)));
            }
            ticket.came_whole(answer)?;
        }
    }

    /// Passes over what is before the part.
    async fn reach(
        &self,
        mut reading: Reading,
        way: &Way,
        account: &mut Account<'_>,
    ) -> Result<Response, Error> {
        account.answered(None);
        while reading.is_before_part() {
            account.before_read().await;
            let passed = way.gauge.waiting(reading.pass_over()).await?;
            self.meters.receive(passed);
            way.gauge.receive(passed);
            account.received(passed);
        }
        Ok(reading.into_part())
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Which resource a request is for, and how what named it was had: what https names is not taken from an answer to others.
fn resource(request: &Request) -> u128 {
    let url = &request.url[..url::Position::AfterQuery];
    let scheme = request.parent.as_ref().map_or("", Url::scheme);
    Fingerprint::of(format!("{scheme} {url}").as_bytes()).0
}

fn server(url: &Url) -> u128 {
    Fingerprint::of(url[..url::Position::BeforePath].as_bytes()).0
}
