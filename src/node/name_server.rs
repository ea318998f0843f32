//! The name server on core 0: its state, its port, its scan, its file.
//!
//! Before: `node::start`; after: `namesrv`.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use ringmq_shards::runtime::turns::Turns;
use ringmq_shards::runtime::{self, Lane, Task, fs};

use crate::config::NodeOptions;
use crate::namesrv::{ConnectionId, Effects, KvConfig, NameServer, Properties, Store};
use crate::net::connection::Shared;
use crate::net::owned_frame::OwnedFrame;
use crate::net::{Connection, Flow, Service, listener};
use crate::remoting::{Frame, Header};

struct Served {
    server: RefCell<NameServer>,
    kv_path: std::path::PathBuf,
    net: Rc<Shared>,
    /// Changes of the file, one after the other.
    turns: Rc<Turns>,
}

/// Loads the KV configuration and opens the port.
pub async fn start(options: &NodeOptions, net: Rc<Shared>) -> Result<Task, String> {
    let kv_path = options.kv_config_path();
    let kv = match fs::exists(&kv_path) {
        true => {
            let bytes = fs::read(&kv_path).await.map_err(|error| format!("{}: {error}", kv_path.display()))?;
            let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            KvConfig::decode(&bytes[..end]).map_err(|bad| format!("{}: {bad}; repair or remove it", kv_path.display()))?
        }
        false => KvConfig::default(),
    };
    let values = options.namesrv_settings.properties().into_iter().map(|(property, value, _)| (property.name.to_string(), value));
    let server = NameServer::new(runtime::now(), kv, Properties::new(values));
    let served = Rc::new(Served { server: RefCell::new(server), kv_path, net: net.clone(), turns: Turns::one() });
    let scan = served.clone();
    let _detached = runtime::spawn(Lane::Background, async move {
        loop {
            let interval = scan.server.borrow().scan_interval_ms().max(100);
            runtime::sleep(Duration::from_millis(interval as u64)).await;
            let gone = scan.server.borrow_mut().scan(runtime::now());
            for connection in gone.connections {
                if let Some(connection) = scan.net.connections.get(crate::net::ConnectionNumber(connection.0)) {
                    connection.close();
                }
            }
        }
    });
    listener::sweep(net.clone());
    let address = options.namesrv_address;
    let listening = listener::listen(address, false, served, net);
    let (_, task) = listening.map_err(|error| format!("cannot listen on {address}: {error}"))?;
    Ok(task)
}

impl Service for Served {
    fn frame(self: &Rc<Self>, connection: &Rc<Connection>, frame: &Frame<'_>) -> Flow {
        let header = match Header::parse(frame) {
            Ok(header) => header,
            Err(bad) => {
                if let Some(left_out) = self.net.bad_frames.pass() {
                    tracing::warn!(peer = %connection.peer, left_out, "closed: {bad}");
                }
                return Flow::Close;
            }
        };
        if header.is_response() {
            return Flow::Taken;
        }
        let mut answer = Vec::new();
        let effects = self.server.borrow_mut().handle(
            runtime::now(),
            ConnectionId(connection.number.0),
            &header,
            frame.body,
            frame.encoding,
            &mut answer,
        );
        match effects {
            Effects { store: None, .. } => connection.reply(|out| out.extend_from_slice(&answer)),
            Effects { store: Some(store), .. } => self.store_then_answer(connection, store, answer, OwnedFrame::copy(frame)),
        }
        Flow::Taken
    }

    async fn room(self: &Rc<Self>) {}

    fn closed(self: &Rc<Self>, connection: &Rc<Connection>) {
        let _nobody_to_notify = self.server.borrow_mut().connection_closed(ConnectionId(connection.number.0));
    }
}

impl Served {
    /// The answer reports a change, so it leaves when the change is on disk.
    fn store_then_answer(self: &Rc<Self>, connection: &Rc<Connection>, store: Store, answer: Vec<u8>, asked: OwnedFrame) {
        let (served, in_flight) = (self.clone(), connection.begin());
        let _detached = runtime::spawn(Lane::Network, async move {
            let Store::KvConfig(bytes) = store else {
                // Properties live in memory: the file they came from is the operator's.
                in_flight.connection().reply(|out| out.extend_from_slice(&answer));
                return;
            };
            let _turn = served.turns.take().await;
            let folder = served.kv_path.parent().map(fs::create_dir_all).transpose();
            let written = match folder {
                Ok(_) => fs::write_durable(&served.kv_path, bytes).await,
                Err(error) => Err(error),
            };
            match written {
                Ok(()) => in_flight.connection().reply(|out| out.extend_from_slice(&answer)),
                Err(error) => {
                    tracing::error!(path = %served.kv_path.display(), %error, "the KV configuration cannot be written");
                    in_flight.connection().reply(|out| refuse(&asked, &error, out));
                }
            }
        });
    }
}

fn refuse(asked: &OwnedFrame, error: &std::io::Error, out: &mut Vec<u8>) {
    use crate::remoting::ResponseWriter;
    use crate::remoting::code::ResponseCode;
    let frame = asked.frame();
    let Ok(header) = Header::parse(&frame) else { return };
    ResponseWriter::new(out, frame.encoding, header.opaque, ResponseCode::SystemError.number())
        .remark(&format!("the change is not on disk: {error}"))
        .finish();
}
