//! The channels through which a person can pay.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Gateway;

/// How a person pays. The gateway follows from it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Channel {
    /// In PayJS's mini-program, which ours opens.
    #[default]
    MiniApp,
    /// On PayJS's cashier page, in a web view of WeChat.
    Cashier,
    /// By scanning a code of WeChat Pay that PayJS makes.
    Native,
}

impl Channel {
    /// What `/newOrder` calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::MiniApp => "miniapp",
            Self::Cashier => "cashier",
            Self::Native => "native",
        }
    }

    /// The gateway of the channel.
    pub fn gateway(self) -> Gateway {
        match self {
            Self::MiniApp | Self::Cashier | Self::Native => Gateway::Payjs,
        }
    }

    /// Whether `/newOrder` waits for an answer of the gateway.
    pub fn asks_gateway(self) -> bool {
        matches!(self, Self::Native)
    }
}
