//! Heyi's HTTP process: requests and responses.
//!
//! [`serve`] listens; [`router`] is the whole API as one value. A handler reads its `params`. It responds or returns an
//! `error`, which `respond` renders as JSON or as a page.

mod serve;

mod routes;

mod codes;
mod http;
mod owner;
mod pages;
mod pictures;
mod room;

mod meters;
mod state;

pub use routes::router;
pub use serve::serve;
pub use state::AppState;
