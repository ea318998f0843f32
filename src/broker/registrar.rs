//! Keeps the broker registered with its name servers: opens the connections, sends what `registration` says is due.
//!
//! One task for each name server, on the home core of the broker's settings. A name server that cannot be reached costs
//! nobody else anything.

use std::cell::RefCell;
use std::net::{SocketAddr, ToSocketAddrs};
use std::rc::Rc;
use std::time::Duration;

use ringmq_shards::runtime::Signal;
use ringmq_shards::runtime::{self, Lane};
use ringmq_shards::shard::Change;
use ringmq_shards::topic::TopicChange;

use super::core::Core;
use super::registration::{Advertised, Ask, Due, Registered, Registration, What, decode_changed};
use crate::net::client::Client;
use crate::remoting::{Encoding, Header, split};

/// How often the schedule is looked at when nothing happens.
const LOOK: Duration = Duration::from_millis(200);
const CONNECT_LIMIT: Duration = Duration::from_secs(3);
/// What an unregistration may take when the broker stops.
const GOODBYE_LIMIT: Duration = Duration::from_secs(1);

pub struct Registrar {
    advertised: RefCell<Advertised>,
    registration: RefCell<Registration>,
    due: Signal,
    call_limit: Duration,
}

impl Registrar {
    pub fn new(advertised: Advertised, registration: Registration, call_limit: Duration) -> Registrar {
        Registrar {
            advertised: RefCell::new(advertised),
            registration: RefCell::new(registration),
            due: Signal::new(),
            call_limit,
        }
    }

    /// A change of settings is durable: name servers are to know at once.
    pub fn changed(&self, change: &Change) {
        let mut registration = self.registration.borrow_mut();
        match change {
            Change::Topic(TopicChange::Put { topic, .. }) => registration.topic_changed(&topic.name),
            Change::Topic(TopicChange::Deleted { .. }) => registration.all_changed(),
            Change::Group(_) | Change::RequestMode(_) => return,
        }
        drop(registration);
        self.due.raise();
    }

    /// Permission or another property that is registered has changed.
    pub fn readvertise(&self, change: impl FnOnce(&mut Advertised)) {
        change(&mut self.advertised.borrow_mut());
        self.registration.borrow_mut().all_changed();
        self.due.raise();
    }

    /// Runs until the core ends. `first_round` is raised when every name server has been tried once.
    pub fn run(self: &Rc<Self>, core: &Rc<Core>) {
        let (registrar, core) = (self.clone(), core.clone());
        let _detached = runtime::spawn(Lane::Background, async move {
            let connections = Connections::default();
            while !core.stopping.get() {
                let due = registrar.registration.borrow_mut().due(runtime::now());
                for due in due {
                    let connection = connection_to(&connections, &due.server);
                    let (registrar, core) = (registrar.clone(), core.clone());
                    let _detached =
                        runtime::spawn(Lane::Background, async move { registrar.tell(&core, due, &connection).await });
                }
                let _raised_or_not = runtime::timeout(LOOK, registrar.due.wait()).await;
            }
        });
    }

    async fn tell(&self, core: &Core, due: Due, connection: &Connection) {
        let told = self.try_tell(core, &due, connection).await;
        let now = runtime::now();
        let mut registration = self.registration.borrow_mut();
        let line = match told {
            Ok(Told::Accepted) => registration.succeeded(&due.server, now),
            Ok(Told::SameVersion) => registration.same_version(&due.server, now),
            Ok(Told::OtherVersion) => {
                registration.other_version(&due.server);
                None
            }
            Err(error) => {
                connection.client.borrow_mut().take();
                registration.failed(&due.server, now, &error)
            }
        };
        if let Some(line) = line {
            tracing::info!("{line}");
        }
    }

    async fn try_tell(&self, core: &Core, due: &Due, connection: &Connection) -> Result<Told, String> {
        let asks = {
            let shard = core.live.state.borrow();
            let advertised = self.advertised.borrow();
            match &due.what {
                What::Everything => advertised.register(shard.topics.sorted().into_iter(), due.version),
                What::Topics(names) => {
                    let topics = names.iter().filter_map(|name| shard.topics.get(name));
                    advertised.register(topics, due.version)
                }
                What::Version => vec![advertised.query_data_version(due.version)],
            }
        };
        let mut told = Told::Accepted;
        for ask in asks {
            let reply = connection.call(&due.server, &ask, self.call_limit).await?;
            let Ok(Some((frame, _))) = split(&reply) else { return Err("the answer is no frame".into()) };
            let header = Header::parse(&frame).map_err(|bad| bad.to_string())?;
            told = if due.what == What::Version {
                let changed = decode_changed(&header).map_err(|failed| failed.to_string())?;
                if changed { Told::OtherVersion } else { Told::SameVersion }
            } else {
                Registered::decode(&header, frame.body).map_err(|failed| failed.to_string())?;
                Told::Accepted
            };
        }
        Ok(told)
    }

    /// Whether some name server knows this broker.
    pub fn is_known(&self) -> bool {
        self.registration.borrow().states().any(|(_, success, _)| success.is_some())
    }

    /// Tells every name server that this broker is going.
    pub async fn unregister(&self) {
        let servers: Vec<String> = self.registration.borrow().states().map(|(server, ..)| server.to_owned()).collect();
        let ask = self.advertised.borrow().unregister();
        for server in servers {
            let connection = Connection::default();
            let _best_effort = runtime::timeout(GOODBYE_LIMIT, connection.call(&server, &ask, GOODBYE_LIMIT)).await;
        }
    }
}

enum Told {
    Accepted,
    SameVersion,
    OtherVersion,
}

#[derive(Default)]
struct Connection {
    client: RefCell<Option<Client>>,
}

/// One for each name server, by its address as it was given.
type Connections = RefCell<Vec<(String, Rc<Connection>)>>;

fn connection_to(connections: &Connections, server: &str) -> Rc<Connection> {
    let mut connections = connections.borrow_mut();
    if let Some((_, connection)) = connections.iter().find(|(name, _)| name == server) {
        return connection.clone();
    }
    let connection = Rc::new(Connection::default());
    connections.push((server.to_owned(), connection.clone()));
    connection
}

impl Connection {
    async fn call(&self, server: &str, ask: &Ask, limit: Duration) -> Result<Vec<u8>, String> {
        const OPAQUE: i32 = 1;
        let taken = self.client.borrow_mut().take();
        let mut client = match taken {
            Some(client) => client,
            None => Client::connect(resolve(server)?, CONNECT_LIMIT).await.map_err(|error| format!("cannot connect: {error}"))?,
        };
        let mut request = Vec::new();
        ask.write(Encoding::Json, OPAQUE, &mut request).map_err(|too_long| too_long.to_string())?;
        let reply = client.call(&request, OPAQUE, limit).await.map_err(|error| error.to_string())?;
        *self.client.borrow_mut() = Some(client);
        Ok(reply)
    }
}

fn resolve(server: &str) -> Result<SocketAddr, String> {
    let mut found = server.to_socket_addrs().map_err(|error| format!("{server} is no host:port that can be found: {error}"))?;
    found.next().ok_or_else(|| format!("{server} has no address"))
}
