//! How a broker makes itself known: it registers with every name server that it is given, at once when its topics
//! change, every 30 s otherwise, and takes itself off the list when it stops.
//!
//! Pure: `requests` says what is sent and what an answer means, `schedule` when, and to whom. The caller owns the
//! sockets; it keeps each connection open between registrations, because a name server forgets a broker whose
//! connection ends.
//!
//! Before: the topic table and `config`; after: a client connection of `net`.

mod requests;
mod schedule;

pub use requests::{Advertised, Ask, Registered, RegistrationFailed, decode_changed};
pub use schedule::{Due, Registration, What};
