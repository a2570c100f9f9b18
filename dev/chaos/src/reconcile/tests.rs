use heyi_common::{
    gateway::{Gateway, Merchant, Payment},
    order::{Content, Order as Cached},
    platform::Platform,
};
use heyi_sandbox::{Check, Notify, OrderStatus, Series};
use jiff::Timestamp;
use mongodb::bson::oid::ObjectId;

use super::*;
use crate::{books::Buried, order::Scenario};

const NUMBER: &str = "A1";
const PAYMENT: &str = "2025010112345600512345678";
const TRANSACTION: &str = "4200000000000000000000000001";

/// The books of one order that was paid, acknowledged and promoted.
fn sound() -> Books {
    let now = Timestamp::now();
    let cached = Cached {
        out_trade_no: NUMBER.parse().unwrap(),
        code_id: ObjectId::new(),
        openid: "o".repeat(28).parse().unwrap(),
        content: Content {
            name: "order 1".to_owned(),
            payloads: BTreeMap::new(),
        },
        total_fee: "990".parse().unwrap(),
        merchant: Merchant {
            gateway: Gateway::Payjs,
            merchant: "1600000001".to_owned(),
        },
        created_at: now,
    };
    let payment = Payment {
        gateway: Gateway::Payjs,
        payment_id: PAYMENT.to_owned(),
        transaction_id: TRANSACTION.to_owned(),
        out_trade_no: cached.out_trade_no.clone(),
        total_fee: cached.total_fee,
        paid_at: String::new(),
    };
    let code = Code::new(&cached, &payment);
    Books {
        placed: vec![placed(&code)],
        ledger: heyi_sandbox::Ledger {
            orders: vec![paid(now)],
            notifies: vec![acknowledged(now)],
            ..heyi_sandbox::Ledger::default()
        },
        mappings: vec![code.mapping()],
        codes: vec![code],
        ..Books::default()
    }
}

fn placed(code: &Code) -> Placed {
    Placed {
        out_trade_no: NUMBER.to_owned(),
        payjs_order_id: PAYMENT.to_owned(),
        scenario: Scenario::PaidOnce,
        openid: code.openid.as_str().to_owned(),
        content: code.content.clone(),
        total_fee: 990,
        paid: None,
        acknowledged: None,
        promoted: None,
        answered: Some(code.id.to_hex()),
        denied: None,
    }
}

fn paid(at: Timestamp) -> Order {
    Order {
        payjs_order_id: PAYMENT.to_owned(),
        out_trade_no: NUMBER.to_owned(),
        total_fee: 990,
        body: None,
        attach: None,
        notify_url: None,
        callback_url: None,
        kind: None,
        status: OrderStatus::Paid,
        created_at: at,
        transaction_id: Some(TRANSACTION.to_owned()),
        paid_at: Some(at),
        series: Series::Delivered,
    }
}

fn acknowledged(at: Timestamp) -> Notify {
    Notify {
        payjs_order_id: PAYMENT.to_owned(),
        attempt: 1,
        at,
        status: Some(200),
        error: None,
        duration_ms: 1,
        acknowledged: true,
        lost: false,
    }
}

#[test]
fn sound_books_hold_no_violation() {
    assert!(reconcile(&sound()).is_empty());
}

#[test]
fn an_order_that_nobody_paid_needs_no_code() {
    let mut books = sound();
    books.codes.clear();
    books.mappings.clear();
    books.ledger.orders[0].paid_at = None;
    books.cached.insert(NUMBER.to_owned(), Some(3600));
    assert!(reconcile(&books).is_empty());
}

type Breakage = fn(&mut Books);

/// Breaks sound books in each way. Each violation must be found and classified.
fn found(cases: &[(&str, Class, Breakage)]) {
    for (what, class, break_it) in cases {
        let mut books = sound();
        break_it(&mut books);
        let found = reconcile(&books);
        let is_complete = |one: &Violation| !one.known.is_empty();
        assert!(
            found.iter().any(|one| one.class == *class),
            "{what}: {found:?}"
        );
        assert!(found.iter().all(is_complete), "{what}: {found:?}");
    }
}

fn forget(books: &mut Books) {
    books.codes.clear();
    books.mappings.clear();
    books.ledger.notifies.clear();
}

#[test]
fn payments_without_a_code_are_lost() {
    found(&[
        ("acknowledged, no code", Class::Lost, |books| {
            books.codes.clear();
        }),
        ("no mapping", Class::Lost, |books| books.mappings.clear()),
        ("no answer", Class::Lost, forget),
        ("confirmed, no code", Class::Lost, |books| {
            forget(books);
            books.ledger.checks.push(Check {
                payjs_order_id: PAYMENT.to_owned(),
                at: Timestamp::now(),
                paid: true,
            });
        }),
    ]);
}

#[test]
fn codes_that_should_not_be_are_double_or_false() {
    found(&[
        ("two codes", Class::Double, |books| {
            let mut second = books.codes[0].clone();
            second.id = ObjectId::new();
            books.codes.push(second);
        }),
        ("two orders, one code", Class::Double, |books| {
            let mut second = books.mappings[0].clone();
            second.out_trade_no = "A2".parse().unwrap();
            books.mappings.push(second);
        }),
        ("not paid", Class::False, |books| {
            books.ledger.orders[0].paid_at = None;
        }),
        ("mapping only", Class::False, |books| books.codes.clear()),
    ]);
}

#[test]
fn codes_that_differ_from_order_or_payment_are_wrong() {
    found(&[
        ("other price", Class::Wrong, |books| {
            books.codes[0].total_fee = "1".parse().unwrap();
        }),
        ("other payment", Class::Wrong, |books| {
            books.mappings[0].payment_id = "x".to_owned();
        }),
        ("other name", Class::Wrong, |books| {
            books.codes[0].content.name = "x".to_owned();
        }),
        ("other payloads", Class::Wrong, |books| {
            books.placed[0]
                .content
                .payloads
                .insert(Platform::Qq, "x".to_owned());
        }),
        ("other mapping", Class::Wrong, |books| {
            books.mappings[0].code_id = ObjectId::new();
        }),
        ("other answer", Class::Wrong, |books| {
            books.placed[0].answered = Some("x".to_owned());
        }),
        ("denied", Class::Wrong, |books| {
            books.placed[0].denied = Some("failed".to_owned());
        }),
    ]);
}

#[test]
fn what_is_left_over_is_stuck_or_a_dead_letter() {
    found(&[
        ("waiting event", Class::Stuck, |books| {
            books.queue.waiting = 1;
        }),
        ("parked event", Class::Stuck, |books| {
            books.queue.retries = 1;
        }),
        ("dead consumers", Class::Stuck, |books| {
            books.queue.pending = ["a", "b", "c"].map(|name| (name.to_owned(), 0)).into();
        }),
        ("cached order", Class::Stuck, |books| {
            books.cached.insert(NUMBER.to_owned(), Some(3600));
        }),
        ("failure mark", Class::Stuck, |books| {
            books.failed.push(NUMBER.to_owned());
        }),
        ("dead letter", Class::DeadLetter, |books| {
            books.buried.push(Buried {
                out_trade_no: NUMBER.to_owned(),
                what: "poison".to_owned(),
            });
        }),
    ]);
}

#[test]
fn an_order_that_never_expires_is_stuck() {
    let mut books = sound();
    books.cached.insert("A2".to_owned(), None);
    let found = reconcile(&books);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].class, Class::Stuck);
}
