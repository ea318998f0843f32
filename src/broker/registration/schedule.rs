//! When to register, with whom, and with how much.
//!
//! Must always be true:
//! - a name server that has accepted nothing since its connection began gets the whole table
//! - a change is confirmed only by an answer to a request that was made after it; what a request in flight does not have
//!   yet is due again as soon as that request ends
//! - at most one request is in flight to each name server
//! - every request that brings something new has a version that its name server has not seen: it skips a table whose
//!   version it knows, and the topic table's own version is ahead of what has been sent whenever changes overlap, and
//!   stands still when only the broker's permission changes
//! - name servers do not wait for each other
//!
//! Lives on the core that keeps the broker's topic table. Before: topic changes and the clock; after: `requests`.

use std::collections::BTreeSet;

use ringmq_shards::data_version::DataVersion;
use ringmq_shards::types::Millis;

/// `registerNameServerPeriod` is taken between these, as in the original.
const PERIOD_MS_MIN: i64 = 10_000;
const PERIOD_MS_MAX: i64 = 60_000;

/// Without a name server no new client finds this broker, and a request costs next to nothing: so the steps are short.
const RETRY_MS: [i64; 4] = [500, 1_000, 2_000, 5_000];

/// While a name server stays away, one line in this time.
const LOG_EVERY_MS: i64 = 60_000;

/// More changed topics than this are sent as the whole table.
const CHANGED_TOPICS_MAX: usize = 100;

/// The registration of one broker name with all its name servers.
pub struct Registration {
    servers: Vec<Server>,
    /// Where the versions of each server begin.
    version: DataVersion,
    period_ms: i64,
    /// `forceRegister`: the periodic registration sends the table without asking first whether it differs.
    force: bool,
}

/// What to send now. The caller answers every one with `succeeded`, `same_version`, `other_version` or `failed`, a time-out included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    pub server: String,
    pub what: What,
    pub version: DataVersion,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    Everything,
    /// These topics, of a table that the name server has otherwise.
    Topics(BTreeSet<String>),
    /// QUERY_DATA_VERSION first.
    Version,
}

struct Server {
    address: String,
    /// Of what it was sent last.
    version: DataVersion,
    /// What it does not have yet.
    missing: Missing,
    /// What the request in flight brings.
    in_flight: Option<What>,
    last_success: Option<Millis>,
    /// Not before.
    next: Millis,
    /// Since the last success.
    failures: u32,
    last_error: Option<String>,
    logged_at: Option<Millis>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Missing {
    Nothing,
    Topics(BTreeSet<String>),
    Everything,
}

impl Registration {
    /// Due at once with every server.
    pub fn new(servers: impl IntoIterator<Item = String>, version: DataVersion, period_ms: i64, force: bool) -> Registration {
        let period_ms = period_ms.clamp(PERIOD_MS_MIN, PERIOD_MS_MAX);
        let mut registration = Registration { servers: Vec::new(), version, period_ms, force };
        registration.set_servers(servers);
        registration
    }

    /// Keeps what is known of those that stay. Returns those that go, from which the broker should be unregistered.
    pub fn set_servers(&mut self, servers: impl IntoIterator<Item = String>) -> Vec<String> {
        let mut left = std::mem::take(&mut self.servers);
        for address in servers {
            if self.find(&address).is_some() {
                continue;
            }
            let known = left.iter().position(|server| server.address == address);
            self.servers.push(known.map_or_else(|| Server::new(address, self.version), |at| left.swap_remove(at)));
        }
        left.into_iter().map(|server| server.address).collect()
    }

    /// One topic was created or changed.
    pub fn topic_changed(&mut self, topic: &str) {
        for server in &mut self.servers {
            server.missing.add(topic);
        }
    }

    /// Something that only a whole registration tells: a deletion, a permission or an address of the broker, a restart.
    pub fn all_changed(&mut self) {
        for server in &mut self.servers {
            server.missing = Missing::Everything;
        }
    }

    /// What to send now, at most one request for each server.
    pub fn due(&mut self, now: Millis) -> Vec<Due> {
        let force = self.force;
        let ready = self.servers.iter_mut().filter(|server| server.in_flight.is_none() && server.due_at() <= now);
        ready
            .map(|server| {
                if server.missing != Missing::Nothing {
                    server.version = server.version.next(now);
                }
                let what = match std::mem::replace(&mut server.missing, Missing::Nothing) {
                    Missing::Everything => What::Everything,
                    Missing::Topics(topics) => What::Topics(topics),
                    Missing::Nothing if force => What::Everything,
                    Missing::Nothing => What::Version,
                };
                server.in_flight = Some(what.clone());
                Due { server: server.address.clone(), what, version: server.version }
            })
            .collect()
    }

    /// When `due` will have something, if nothing happens before. None: everything is in flight, or there is no server.
    pub fn next_due(&self) -> Option<Millis> {
        self.servers.iter().filter(|server| server.in_flight.is_none()).map(Server::due_at).min()
    }

    /// Accepted. Gives a line for the log when this is news.
    pub fn succeeded(&mut self, server: &str, now: Millis) -> Option<String> {
        let next = Millis(now.0.saturating_add(self.period_ms));
        let server = self.find_mut(server)?;
        server.in_flight = None;
        let news = match (server.last_success, server.failures) {
            (None, _) => Some(format!("registered with name server {}", server.address)),
            (Some(_), 0) => None,
            (Some(_), failures) => {
                Some(format!("registered with name server {} again, after {failures} failures", server.address))
            }
        };
        server.last_success = Some(now);
        server.next = next;
        server.failures = 0;
        server.last_error = None;
        server.logged_at = None;
        news
    }

    /// The name server has this table's version.
    pub fn same_version(&mut self, server: &str, now: Millis) -> Option<String> {
        self.succeeded(server, now)
    }

    /// The name server has another version: the whole table is due now.
    pub fn other_version(&mut self, server: &str) {
        if let Some(server) = self.find_mut(server) {
            server.in_flight = None;
            server.missing = Missing::Everything;
        }
    }

    /// No connection, no answer in time, or a refusal. Gives a line for the log, at most one a minute for each server.
    ///
    /// Whether the request arrived is not known, so the whole table is sent next.
    pub fn failed(&mut self, server: &str, now: Millis, error: &str) -> Option<String> {
        let server = self.find_mut(server)?;
        server.in_flight = None;
        server.missing = Missing::Everything;
        let step = RETRY_MS[(server.failures as usize).min(RETRY_MS.len() - 1)];
        server.next = Millis(now.0.saturating_add(step));
        server.failures = server.failures.saturating_add(1);
        server.last_error = Some(error.to_string());
        server.log_line(now)
    }

    /// The connection ended without a request in flight: the name server forgets this broker when it notices.
    pub fn disconnected(&mut self, server: &str, now: Millis) {
        if let Some(server) = self.find_mut(server)
            && server.in_flight.is_none()
        {
            server.missing = Missing::Everything;
            server.next = server.next.max(now);
        }
    }

    /// (name server, last success, error of the last try), for those who look.
    pub fn states(&self) -> impl Iterator<Item = (&str, Option<Millis>, Option<&str>)> {
        self.servers.iter().map(|server| (server.address.as_str(), server.last_success, server.last_error.as_deref()))
    }

    fn find(&self, address: &str) -> Option<&Server> {
        self.servers.iter().find(|server| server.address == address)
    }

    fn find_mut(&mut self, address: &str) -> Option<&mut Server> {
        self.servers.iter_mut().find(|server| server.address == address)
    }
}

impl Server {
    fn new(address: String, version: DataVersion) -> Server {
        Server {
            address,
            version,
            missing: Missing::Everything,
            in_flight: None,
            last_success: None,
            next: Millis(i64::MIN),
            failures: 0,
            last_error: None,
            logged_at: None,
        }
    }

    /// A change does not wait for the period, but for the pause after a failure.
    fn due_at(&self) -> Millis {
        match (&self.missing, self.failures) {
            (Missing::Nothing, _) | (_, 1..) => self.next,
            _ => Millis(i64::MIN),
        }
    }

    fn log_line(&mut self, now: Millis) -> Option<String> {
        if self.logged_at.is_some_and(|at| now.0 < at.0.saturating_add(LOG_EVERY_MS)) {
            return None;
        }
        self.logged_at = Some(now);
        let Server { address, failures, last_error, .. } = self;
        let error = last_error.as_deref().unwrap_or_default();
        let since = match self.last_success {
            Some(at) => format!("the last success was {} s ago", now.0.saturating_sub(at.0) / 1000),
            None => "it never succeeded".to_string(),
        };
        Some(format!("registering with name server {address} failed ({failures} in a row, {since}): {error}"))
    }
}

impl Missing {
    fn add(&mut self, topic: &str) {
        let topics = match self {
            Missing::Everything => return,
            Missing::Topics(topics) => topics,
            Missing::Nothing => {
                *self = Missing::Topics(BTreeSet::from([topic.to_string()]));
                return;
            }
        };
        topics.insert(topic.to_string());
        if topics.len() > CHANGED_TOPICS_MAX {
            *self = Missing::Everything;
        }
    }
}

const _: () = assert!(PERIOD_MS_MIN < PERIOD_MS_MAX);

#[cfg(test)]
mod tests {
    use super::*;

    fn with(servers: &[&str]) -> Registration {
        Registration::new(servers.iter().map(|server| server.to_string()), DataVersion::default(), 30_000, true)
    }

    #[track_caller]
    fn check(registration: &mut Registration, now: i64, expected: &[(&str, &str)]) {
        let due = registration.due(Millis(now));
        let shown: Vec<(String, String)> = due
            .into_iter()
            .map(|due| {
                let what = match due.what {
                    What::Everything => "everything".to_string(),
                    What::Version => "version".to_string(),
                    What::Topics(topics) => topics.into_iter().collect::<Vec<_>>().join(" "),
                };
                (due.server, what)
            })
            .collect();
        let expected: Vec<_> = expected.iter().map(|(server, what)| (server.to_string(), what.to_string())).collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn at_the_start_then_every_period() {
        let mut registration = with(&["a", "b", "a"]);
        check(&mut registration, 5, &[("a", "everything"), ("b", "everything")]);
        check(&mut registration, 6, &[]);
        assert_eq!(registration.next_due(), None);
        assert_eq!(registration.succeeded("a", Millis(7)).unwrap(), "registered with name server a");
        assert_eq!(registration.succeeded("b", Millis(107)).unwrap(), "registered with name server b");
        assert_eq!(registration.next_due(), Some(Millis(30_007)));
        check(&mut registration, 30_006, &[]);
        check(&mut registration, 30_007, &[("a", "everything")]);
        assert_eq!(registration.succeeded("a", Millis(30_010)), None);
        check(&mut registration, 30_107, &[("b", "everything")]);
    }

    #[test]
    fn the_period_has_bounds() {
        for (asked, got) in [(1, 10_000), (30_000, 30_000), (i64::MAX, 60_000)] {
            let mut registration = Registration::new(["a".to_string()], DataVersion::default(), asked, true);
            registration.due(Millis(0));
            registration.succeeded("a", Millis(0));
            assert_eq!(registration.next_due(), Some(Millis(got)));
        }
    }

    #[test]
    fn a_change_is_sent_at_once_and_one_made_in_flight_right_after() {
        let mut registration = with(&["a"]);
        check(&mut registration, 0, &[("a", "everything")]);
        registration.topic_changed("T");
        check(&mut registration, 1, &[]);
        registration.succeeded("a", Millis(2));
        registration.topic_changed("U");
        assert_eq!(registration.next_due(), Some(Millis(i64::MIN)));
        check(&mut registration, 2, &[("a", "T U")]);
        registration.succeeded("a", Millis(3));
        check(&mut registration, 4, &[]);
        registration.all_changed();
        registration.topic_changed("V");
        check(&mut registration, 5, &[("a", "everything")]);
    }

    /// Two changes may be known to the table before the first of them is sent, and a change of permission is none of the table's.
    #[test]
    fn what_is_new_has_a_version_of_its_own_and_what_is_repeated_has_not() {
        let mut registration = with(&["a"]);
        let mut versions = Vec::new();
        for (now, change) in [(0, ""), (1, "T"), (1, "U"), (1, "everything"), (40_000, "")] {
            match change {
                "" => {}
                "everything" => registration.all_changed(),
                topic => registration.topic_changed(topic),
            }
            versions.push(registration.due(Millis(now)).remove(0).version);
            registration.succeeded("a", Millis(now));
        }
        for (one, other) in [(0, 1), (1, 2), (2, 3)] {
            assert_ne!(versions[one], versions[other], "{one} {other}");
        }
        assert_eq!(versions[3], versions[4], "the periodic registration");
    }

    #[test]
    fn many_changed_topics_are_the_whole_table() {
        let mut registration = with(&["a"]);
        registration.due(Millis(0));
        registration.succeeded("a", Millis(0));
        for number in 0..=CHANGED_TOPICS_MAX {
            registration.topic_changed(&format!("T{number}"));
        }
        check(&mut registration, 1, &[("a", "everything")]);
    }

    #[test]
    fn a_failure_is_retried_soon_with_everything_and_holds_up_nobody() {
        let mut registration = with(&["a", "b"]);
        registration.due(Millis(0));
        registration.succeeded("a", Millis(0));
        registration.succeeded("b", Millis(0));
        registration.topic_changed("T");
        check(&mut registration, 10_000, &[("a", "T"), ("b", "T")]);
        registration.succeeded("b", Millis(10_000));
        let line = registration.failed("a", Millis(10_000), "connection refused").unwrap();
        assert_eq!(line, "registering with name server a failed (1 in a row, the last success was 10 s ago): connection refused");
        registration.topic_changed("U");
        check(&mut registration, 10_000, &[("b", "U")]);
        check(&mut registration, 10_499, &[]);
        check(&mut registration, 10_500, &[("a", "everything")]);
        assert_eq!(registration.failed("a", Millis(10_500), "connection refused"), None);
        check(&mut registration, 11_500, &[("a", "everything")]);
        assert_eq!(registration.succeeded("a", Millis(11_501)).unwrap(), "registered with name server a again, after 2 failures");
    }

    #[test]
    fn while_a_server_is_away_one_line_a_minute() {
        let mut registration = with(&["a"]);
        let mut lines = 0;
        let mut tries = 0;
        for now in (0..600_000).step_by(100) {
            for due in registration.due(Millis(now)) {
                tries += 1;
                lines += usize::from(registration.failed(&due.server, Millis(now), "timed out").is_some());
            }
        }
        assert_eq!(lines, 10);
        assert!((100..200).contains(&tries), "{tries}");
        assert_eq!(registration.states().next().unwrap(), ("a", None, Some("timed out")));
    }

    #[test]
    fn a_lost_connection_means_everything_now() {
        let mut registration = with(&["a"]);
        registration.due(Millis(0));
        registration.succeeded("a", Millis(0));
        registration.disconnected("a", Millis(3));
        check(&mut registration, 3, &[("a", "everything")]);
    }

    #[test]
    fn without_force_the_version_is_asked_first() {
        let mut registration = Registration::new(["a".to_string()], DataVersion::default(), 30_000, false);
        check(&mut registration, 0, &[("a", "everything")]);
        registration.succeeded("a", Millis(0));
        check(&mut registration, 30_000, &[("a", "version")]);
        registration.same_version("a", Millis(30_001));
        check(&mut registration, 60_001, &[("a", "version")]);
        registration.other_version("a");
        check(&mut registration, 60_002, &[("a", "everything")]);
    }

    #[test]
    fn servers_come_and_go() {
        let mut registration = with(&["a", "b"]);
        registration.due(Millis(0));
        registration.succeeded("a", Millis(0));
        registration.succeeded("b", Millis(0));
        assert_eq!(registration.set_servers(["c".to_string(), "b".to_string()]), ["a"]);
        check(&mut registration, 1, &[("c", "everything")]);
        assert_eq!(registration.succeeded("a", Millis(2)), None);
        assert_eq!(registration.failed("a", Millis(2), "late"), None);
    }
}
