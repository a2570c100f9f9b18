//! Fakes of PayJS and WeChat, for development and tests.
//!
//! A [`Sandbox`] is one HTTP server. It has PayJS's REST interface and mini-program, WeChat's login, knobs that
//! make both fail, a [`Ledger`] of all events, and a demo page that plays Heyi's mini-program.
//! It follows the strictest reading of the documents: PayJS should accept what it accepts.
//! The documents are PayJS's pages `wxa`, `notify`, `check`, `refund`, `sign` on help.payjs.cn and WeChat's page
//! `code2Session`.

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
