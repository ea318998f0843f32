//! One thread's connections under one epoll. One that breaks is opened again, a little later, as a client would.

use std::io;
use std::time::Duration;

use crate::connection::Connection;
use crate::epoll::Epoll;
use crate::load::clock::SECOND;

const REOPEN_AFTER: u64 = SECOND / 2;

pub struct Line {
    pub address: String,
    /// None: it broke.
    pub connection: Option<Connection>,
    reopen_at: u64,
    /// What epoll was told last.
    writes: bool,
}

pub struct Lines {
    lines: Vec<Line>,
    /// How many have no connection: mostly none, and then nobody looks for them.
    broken: usize,
    epoll: Epoll,
    ready: Vec<u64>,
}

impl Lines {
    pub fn new(connections: Vec<(String, Connection)>) -> Result<Lines, String> {
        let epoll = Epoll::new().map_err(|error| format!("epoll: {error}; raise the limit of open files"))?;
        let mut lines = Vec::new();
        for (index, (address, connection)) in connections.into_iter().enumerate() {
            epoll.add(&connection, index as u64).map_err(|error| format!("epoll: {error}"))?;
            lines.push(Line { address, connection: Some(connection), reopen_at: 0, writes: false });
        }
        Ok(Lines { lines, broken: 0, epoll, ready: Vec::new() })
    }

    pub fn len(&self) -> usize {
        self.lines.len()
    }

    pub fn get(&mut self, index: usize) -> Option<&mut Connection> {
        self.lines[index].connection.as_mut()
    }

    /// Bytes that the socket has not taken.
    pub fn waiting(&self, index: usize) -> usize {
        self.lines[index].connection.as_ref().map_or(0, |connection| connection.out.len())
    }

    /// Sends what the socket takes, and has epoll tell when it takes more.
    pub fn flush(&mut self, index: usize) -> io::Result<()> {
        let line = &mut self.lines[index];
        let Some(connection) = &mut line.connection else { return Ok(()) };
        connection.flush()?;
        let writes = !connection.out.is_empty();
        if writes != line.writes {
            self.epoll.set_writes(connection, index as u64, writes)?;
            line.writes = writes;
        }
        Ok(())
    }

    /// The indices of what is ready; `limit` is nanoseconds.
    pub fn wait(&mut self, limit: u64, ready: &mut Vec<usize>) -> Result<(), String> {
        self.epoll.wait(Duration::from_nanos(limit), &mut self.ready).map_err(|error| format!("epoll: {error}"))?;
        ready.clear();
        ready.extend(self.ready.iter().map(|token| *token as usize));
        Ok(())
    }

    /// Closes it. What to say about what was under way.
    pub fn broke(&mut self, index: usize, error: &io::Error, now: u64) -> String {
        let line = &mut self.lines[index];
        self.broken += usize::from(line.connection.take().is_some());
        line.writes = false;
        line.reopen_at = now + REOPEN_AFTER;
        format!("the connection to {} broke: {error}", line.address)
    }

    /// One that has come back, if its time has come.
    pub fn reopen(&mut self, now: u64) -> Option<usize> {
        if self.broken == 0 {
            return None;
        }
        for (index, line) in self.lines.iter_mut().enumerate() {
            if line.connection.is_some() || now < line.reopen_at {
                continue;
            }
            line.reopen_at = now + REOPEN_AFTER;
            if let Ok(connection) = Connection::open(&line.address)
                && self.epoll.add(&connection, index as u64).is_ok()
            {
                line.connection = Some(connection);
                self.broken -= 1;
                return Some(index);
            }
        }
        None
    }
}
