//! Clients.
use std::rc::Rc;
use super::core::Core;
use crate::net::Connection;
pub fn start(_core: &Rc<Core>) {}
pub fn connection_closed(_core: &Rc<Core>, _connection: &Rc<Connection>) {}
