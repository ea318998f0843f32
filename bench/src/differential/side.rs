//! One of the two that are compared: a broker with its name server, the connections to them, and the steps of one file
//! taken one after the other.
//!
//! Before: `language`; after: `normal`, which gets what each step brought.

use std::collections::{BTreeMap, HashMap};
use std::thread::sleep;
use std::time::{Duration, Instant};

use ringmq::remoting::code::RequestCode;
use ringmq::remoting::message::batch::InnerMessage;

use super::answer::{Answer, Outcome, take_apart};
use super::deed::{Body, Deed, Request, Server, properties};
use super::language::Script;
use super::normal::World;
use super::variables::Variables;
use super::wire::{Connection, LANGUAGE, Manner, Message, VERSION};
use crate::setup::millis;

/// Between two attempts of a request with `@until`.
const AGAIN_AFTER: Duration = Duration::from_millis(50);
const SENDS: [i32; 3] =
    [RequestCode::SendMessage as i32, RequestCode::SendMessageV2 as i32, RequestCode::SendBatchMessage as i32];
/// How long a message is waited for that does not come into its queue.
const SETTLE_LIMIT: Duration = Duration::from_millis(400);
/// How long a broker that says it is busy is asked again.
const BUSY_LIMIT: Duration = Duration::from_secs(20);
/// After bytes that are no frame a server answers, closes, or does nothing.
const RAW_LIMIT: Duration = Duration::from_secs(1);

#[derive(Clone)]
pub struct Peer {
    pub name: String,
    pub broker: String,
    pub namesrv: String,
}

/// What the steps of a file brought, by their place in it; `None` for those that are not compared.
pub type Answers = Vec<Option<Answer>>;

pub struct Side<'p> {
    peer: &'p Peer,
    run: String,
    variables: Variables,
    connections: HashMap<(Server, u32), Connection>,
    current: u32,
    opaque: i32,
    /// For `let NAME = answer.PATH`, as it was sent.
    last: Answer,
    /// For `reply`.
    asked: Option<Message>,
    /// Requests sent `later`, by connection: server, number, code.
    open: HashMap<u32, (Server, i32, i32)>,
    locals: Vec<String>,
    began: i64,
}

impl<'p> Side<'p> {
    pub fn new(peer: &'p Peer, run: &str) -> Side<'p> {
        let mut variables = Variables::new(run);
        variables.set("broker", peer.broker.clone());
        variables.set("namesrv", peer.namesrv.clone());
        Side {
            peer,
            run: run.to_string(),
            variables,
            connections: HashMap::new(),
            current: 1,
            opaque: 0,
            last: Answer::new(),
            asked: None,
            open: HashMap::new(),
            locals: Vec::new(),
            began: millis(),
        }
    }

    /// `seen` is told of each step as it is done.
    pub fn take(&mut self, script: &Script, mut seen: impl FnMut(usize, Option<&Answer>)) -> Result<Answers, String> {
        let mut answers = Vec::new();
        for (index, step) in script.steps.iter().enumerate() {
            let brought = self.step(&step.deed);
            let brought =
                brought.map_err(|error| format!("{}, {}.steps, `{}`: {error}", self.peer.name, script.name, step.text))?;
            let answer = brought.filter(|_| step.deed.is_compared()).map(|(code, outcome)| self.world().normal(code, &outcome));
            seen(index, answer.as_ref());
            answers.push(answer);
        }
        Ok(answers)
    }

    fn step(&mut self, deed: &Deed) -> Result<Option<(i32, Outcome)>, String> {
        match deed {
            Deed::Set { name, value } => self.variables.set(name, self.variables.fill(value)?),
            // A value that is not there is empty: the step that uses it then differs, which says more than stopping here.
            Deed::Capture { name, path } => {
                let found = [path.clone(), format!("ext.{path}")].iter().find_map(|path| self.last.get(path)).cloned();
                self.variables.set(name, found.unwrap_or_default());
            }
            Deed::Mark { name } => self.variables.set(name, millis().to_string()),
            Deed::Wait(time) => sleep(*time),
            Deed::Use(number) => self.current = *number,
            Deed::Close => {
                let current = self.current;
                self.connections.retain(|(_, number), _| *number != current);
            }
            Deed::Request(request) => return self.request(request),
            Deed::Raw { server, hex } => {
                let bytes = bytes_of(&self.variables.fill(hex)?)?;
                let connection = self.connection(*server)?;
                connection.send(&bytes);
                let outcome = outcome(connection.any_answer(RAW_LIMIT), connection);
                return Ok(Some((0, self.kept(outcome))));
            }
            Deed::Answer { within } => {
                let (server, opaque, code) =
                    self.open.remove(&self.current).ok_or("nothing was sent `later` on this connection")?;
                let connection = self.connection(server)?;
                let outcome = outcome(connection.answer(opaque, *within), connection);
                return Ok(Some((code, self.kept(outcome))));
            }
            Deed::Pushed { code, within, field } => {
                let field = match field {
                    Some((name, value)) => Some((name.clone(), self.variables.fill(value)?)),
                    None => None,
                };
                let connection = self.connection(Server::Broker)?;
                let outcome = outcome(connection.pushed(*code, *within, field.as_ref()), connection);
                if let Outcome::Came(message) = &outcome {
                    self.asked = Some(message.clone());
                }
                return Ok(Some((*code, self.kept(outcome))));
            }
            Deed::Nothing { code, within } => {
                let connection = self.connection(Server::Broker)?;
                let outcome = outcome(connection.pushed(*code, *within, None), connection);
                return Ok(Some((*code, self.kept(outcome))));
            }
            Deed::Reply(request) => {
                // Nothing was pushed: the step before has that difference already.
                let Some(asked) = self.asked.take() else { return Ok(None) };
                let remark = request.remark.as_deref().map(|remark| self.variables.fill(remark)).transpose()?;
                let answer = Message::response(request.code, &asked, remark, self.fields(request)?, self.body(&request.body)?);
                let frame = answer.frame(&Manner { binary: false, language: LANGUAGE, version: VERSION })?;
                self.connection(Server::Broker)?.send(&frame);
            }
        }
        Ok(None)
    }

    fn request(&mut self, request: &Request) -> Result<Option<(i32, Outcome)>, String> {
        let until = match &request.until {
            Some((path, value)) => Some((path.clone(), self.variables.fill(value)?)),
            None => None,
        };
        let began = Instant::now();
        let deadline = began + request.within;
        loop {
            self.opaque += 1;
            let message =
                Message::request(request.code, self.opaque, request.oneway, self.fields(request)?, self.body(&request.body)?);
            let version = match &request.version {
                Some(version) => self.variables.fill(version)?.parse().map_err(|_| format!("{version} is no version"))?,
                None => VERSION,
            };
            let language = request.language.as_deref().unwrap_or(LANGUAGE);
            let frame = message.frame(&Manner { binary: request.binary, language, version })?;
            let opaque = self.opaque;
            let connection = self.connection(request.server)?;
            connection.send(&frame);
            if request.later {
                self.open.insert(self.current, (request.server, opaque, request.code));
                return Ok(None);
            }
            let outcome = outcome(connection.answer(opaque, request.within), connection);
            if is_busy(&outcome) && Instant::now() < began + BUSY_LIMIT {
                sleep(AGAIN_AFTER);
                continue;
            }
            self.settle(&message, &outcome)?;
            let outcome = self.kept(outcome);
            let fits = until.as_ref().is_none_or(|(path, value)| self.last.get(path) == Some(value));
            if fits || Instant::now() >= deadline {
                return Ok(Some((request.code, outcome)));
            }
            sleep(AGAIN_AFTER);
        }
    }

    /// Waits until a message that was sent can be read: the original's index follows its log at its own pace. One that went
    /// elsewhere first, because it is delayed or half of a transaction, is not waited for longer than the limit.
    fn settle(&mut self, sent: &Message, outcome: &Outcome) -> Result<(), String> {
        let Outcome::Came(answer) = outcome else { return Ok(()) };
        let (Some(topic), Some(queue), Some(offset)) =
            (sent.fields.get("b").or(sent.fields.get("topic")), answer.fields.get("queueId"), answer.fields.get("queueOffset"))
        else {
            return Ok(());
        };
        if answer.code != 0 || !SENDS.contains(&sent.code) {
            return Ok(());
        }
        let offset: i64 = offset.parse().unwrap_or(0);
        let fields = BTreeMap::from([("topic".to_string(), topic.clone()), ("queueId".to_string(), queue.clone())]);
        let deadline = Instant::now() + SETTLE_LIMIT;
        while Instant::now() < deadline {
            self.opaque += 1;
            let opaque = self.opaque;
            let ask = Message::request(RequestCode::GetMaxOffset.number(), opaque, false, fields.clone(), Vec::new());
            let frame = ask.frame(&Manner { binary: false, language: LANGUAGE, version: VERSION })?;
            let connection = self.connection(Server::Broker)?;
            connection.send(&frame);
            let end = connection.answer(opaque, SETTLE_LIMIT).and_then(|answer| answer.fields.get("offset")?.parse::<i64>().ok());
            if end.is_some_and(|end| end > offset) {
                return Ok(());
            }
            sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    fn connection(&mut self, server: Server) -> Result<&mut Connection, String> {
        let place = (server, self.current);
        if self.connections.get(&place).is_none_or(|connection| connection.closed) {
            let address = match server {
                Server::Broker => &self.peer.broker,
                Server::NameServer => &self.peer.namesrv,
            };
            let connection = Connection::open(address)?;
            self.locals.push(connection.local.clone());
            self.connections.insert(place, connection);
        }
        Ok(self.connections.get_mut(&place).expect("just put there"))
    }

    /// Keeps what came for the captures of the steps that follow.
    fn kept(&mut self, outcome: Outcome) -> Outcome {
        self.last = take_apart(&outcome, &|_| false, &|text| text.to_string());
        outcome
    }

    fn fields(&self, request: &Request) -> Result<BTreeMap<String, String>, String> {
        request.fields.iter().map(|(name, value)| Ok((name.clone(), self.variables.fill(value)?))).collect()
    }

    fn body(&self, body: &Body) -> Result<Vec<u8>, String> {
        match body {
            Body::Text(text) => Ok(self.variables.fill(text)?.into_bytes()),
            Body::Hex(text) => bytes_of(&self.variables.fill(text)?),
            Body::Batch(messages) => {
                let mut batch = Vec::new();
                for message in messages {
                    let message = self.variables.fill(message)?;
                    let (body, entries) = message.split_once('|').unwrap_or((&message, ""));
                    let properties = properties(entries)?;
                    InnerMessage { flag: 0, body: body.as_bytes(), properties: properties.as_bytes() }.encode(&mut batch);
                }
                Ok(batch)
            }
        }
    }

    fn world(&self) -> World {
        let port = |by: i32| {
            let (host, port) = self.peer.broker.rsplit_once(':')?;
            Some(format!("{host}:{}", port.parse::<i32>().ok()? + by))
        };
        let mut names = vec![
            (self.run.clone(), "<run>".to_string()),
            (self.peer.broker.clone(), "<broker>".to_string()),
            (self.peer.namesrv.clone(), "<namesrv>".to_string()),
            (port(-2).unwrap_or_default(), "<broker-vip>".to_string()),
            (port(1).unwrap_or_default(), "<broker-ha>".to_string()),
        ];
        names.extend(self.locals.iter().map(|local| (local.clone(), "<client>".to_string())));
        World::new(names, self.began)
    }
}

fn outcome(found: Option<Message>, connection: &Connection) -> Outcome {
    match found {
        Some(message) => Outcome::Came(message),
        None if connection.closed => Outcome::Closed,
        None => Outcome::Nothing,
    }
}

/// `[TIMEOUT_CLEAN_QUEUE]broker busy…`, `[OVERLOAD]system busy…`: the machine's, not the broker's, and nothing was done.
fn is_busy(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Came(Message { code: 2, remark: Some(remark), .. }) if remark.starts_with('['))
}

fn bytes_of(hex: &str) -> Result<Vec<u8>, String> {
    let digits: Vec<u8> = hex.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let bytes = digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap_or_default(), 16));
    match bytes.collect() {
        Ok(bytes) if digits.len().is_multiple_of(2) => Ok(bytes),
        _ => Err(format!("{hex} is not hex")),
    }
}
