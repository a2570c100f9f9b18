//! Stand-ins for PayJS and WeChat, for development and tests.
//!
//! A [`Sandbox`] is one HTTP server: PayJS's REST interface and its mini-program, WeChat's login, knobs that
//! make them misbehave, a [`Ledger`] of what happened, and a demo page that plays Heyi's mini-program.
//! It is as strict as the strictest reading of the documents: what it accepts, PayJS should accept.
//! What they do is described by PayJS's pages `wxa`, `notify`, `check`, `refund`, `sign` on help.payjs.cn
//! and by WeChat's page `code2Session`.

mod sandbox;

mod knobs;
mod ledger;
mod options;
mod refusal;

mod clock;
mod context;
mod control;
mod demo;
mod page;
mod payjs;
mod proxy;
mod pseudonym;
mod request;
mod wechat;

pub use knobs::{Knobs, Refuse, Wechat};
pub use ledger::{Check, Ledger, Login, Notify, Order, OrderStatus, Refused, Series};
pub use options::Options;
pub use payjs::SCHEDULE;
pub use refusal::Refusal;
pub use sandbox::Sandbox;
