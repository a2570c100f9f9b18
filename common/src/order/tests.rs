use std::collections::HashSet;

use super::*;
use crate::{gateway::Gateway, platform::Platform};

fn data() -> OrderData {
    OrderData {
        openid: "oAlice".parse().unwrap(),
        content: Content {
            name: "小店".to_owned(),
            payloads: [(Platform::Jd, "https://h5pay.jd.com/".to_owned())].into(),
        },
    }
}

#[test]
fn code_ids_of_one_process_have_nothing_in_common() {
    const ORDERS: usize = 1_000;
    let order = || {
        let number = OutTradeNo::draw(Timestamp::now(), |_| true);
        let merchant = Merchant {
            gateway: Gateway::Payjs,
            merchant: "1600000001".to_owned(),
        };
        Order::new(data(), Fee::new(990).unwrap(), number, merchant)
    };
    let ids: Vec<[u8; 12]> = (0..ORDERS).map(|_| order().code_id.bytes()).collect();
    // The parts of an id of the driver, with one byte of its neighbour so that chance plays no role.
    for part in [0..5, 4..9, 8..12] {
        let different: HashSet<&[u8]> = ids.iter().map(|id| &id[part.clone()]).collect();
        assert!(
            different.len() >= ORDERS - 2,
            "{part:?}: {}",
            different.len()
        );
    }
    let all_bits = ids
        .iter()
        .fold(([0; 12], [0xFF; 12]), |(mut or, mut and), id| {
            for at in 0..12 {
                or[at] |= id[at];
                and[at] &= id[at];
            }
            (or, and)
        });
    assert_eq!(all_bits, ([0xFF; 12], [0; 12]), "a bit is always the same");
}
