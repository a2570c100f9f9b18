//! Reconciliation: whether the promise was kept.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use heyi_common::store::{Code, Mapping};
use heyi_sandbox::Order;
use serde::Serialize;

use crate::{books::Books, order::Placed};

/// The classes of violations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// The payment was acknowledged or confirmed, but there is no code.
    Lost,
    /// An order has two codes, or two orders have one.
    Double,
    /// A code or mapping differs from its order or payment.
    Wrong,
    /// Something was not removed.
    Stuck,
    /// A code without a payment.
    False,
    /// An unexplained dead letter or rejected event.
    DeadLetter,
    /// A process of Heyi ended on its own.
    Ended,
}

impl Class {
    /// All of them.
    pub const ALL: [Class; 7] = [
        Class::Lost,
        Class::Double,
        Class::Wrong,
        Class::Stuck,
        Class::False,
        Class::DeadLetter,
        Class::Ended,
    ];
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Class::Lost => "lost",
            Class::Double => "double",
            Class::Wrong => "wrong",
            Class::Stuck => "stuck",
            Class::False => "false",
            Class::DeadLetter => "dead letter",
            Class::Ended => "ended",
        })
    }
}

/// One violation.
#[derive(Debug, Clone, Serialize)]
pub struct Violation {
    /// Its class.
    pub class: Class,
    /// Its order, if it concerns one.
    pub out_trade_no: Option<String>,
    /// The observation.
    pub what: String,
    /// All records of the order.
    pub known: Vec<String>,
}

/// Compares the records of PayJS and the clients with Heyi's data.
pub fn reconcile(books: &Books) -> Vec<Violation> {
    let index = Index::new(books);
    let mut found = Vec::new();
    for order in &books.ledger.orders {
        of_payment(&index, order, &mut found);
    }
    for code in &books.codes {
        if index
            .payments
            .get(code.payment_id.as_str())
            .is_none_or(|order| {
                order.paid_at.is_none() || order.out_trade_no != code.out_trade_no.as_str()
            })
        {
            let number = code.out_trade_no.as_str();
            found.push(violation(Class::False, number, "a code without a payment"));
        }
    }
    for mapping in &books.mappings {
        if !index.codes.contains_key(mapping.out_trade_no.as_str()) {
            let number = mapping.out_trade_no.as_str();
            found.push(violation(Class::False, number, "a mapping without a code"));
        }
    }
    doubles(books, &index, &mut found);
    leftovers(books, &index, &mut found);
    letters(books, &mut found);
    for violation in &mut found {
        violation.known = known(books, violation.out_trade_no.as_deref());
    }
    found
}

/// The books by number.
struct Index<'a> {
    placed: BTreeMap<&'a str, &'a Placed>,
    payments: BTreeMap<&'a str, &'a Order>,
    codes: BTreeMap<&'a str, Vec<&'a Code>>,
    mappings: BTreeMap<&'a str, &'a Mapping>,
    acknowledged: BTreeSet<&'a str>,
    confirmed: BTreeSet<&'a str>,
}

impl<'a> Index<'a> {
    fn new(books: &'a Books) -> Self {
        let mut codes: BTreeMap<&str, Vec<&Code>> = BTreeMap::new();
        for code in &books.codes {
            codes
                .entry(code.out_trade_no.as_str())
                .or_default()
                .push(code);
        }
        let ledger = &books.ledger;
        Self {
            placed: by(&books.placed, |one| one.out_trade_no.as_str()),
            payments: by(&ledger.orders, |one| one.payjs_order_id.as_str()),
            codes,
            mappings: by(&books.mappings, |one| one.out_trade_no.as_str()),
            acknowledged: of(
                ledger.notifies.iter().filter(|one| one.acknowledged),
                |one| one.payjs_order_id.as_str(),
            ),
            confirmed: of(ledger.checks.iter().filter(|one| one.paid), |one| {
                one.payjs_order_id.as_str()
            }),
        }
    }
}

fn by<'a, T>(all: &'a [T], key: impl Fn(&'a T) -> &'a str) -> BTreeMap<&'a str, &'a T> {
    all.iter().map(|one| (key(one), one)).collect()
}

fn of<'a, T: 'a>(
    some: impl Iterator<Item = &'a T>,
    key: impl Fn(&'a T) -> &'a str,
) -> BTreeSet<&'a str> {
    some.map(key).collect()
}

/// Checks that a paid order has its code. This holds even without an acknowledgement: each client asks until the code
/// exists, and names the payment once PayJS has given up. The acknowledgement only changes the wording.
fn of_payment(index: &Index<'_>, order: &Order, found: &mut Vec<Violation>) {
    let number = order.out_trade_no.as_str();
    if order.paid_at.is_none() {
        return;
    }
    let code = index.codes.get(number).and_then(|codes| codes.first());
    let mapping = index.mappings.get(number);
    let (Some(code), Some(mapping)) = (code, mapping) else {
        let missing = if code.is_none() { "code" } else { "mapping" };
        let payment = order.payjs_order_id.as_str();
        let how = match payment {
            id if index.acknowledged.contains(id) => "its notify was acknowledged",
            id if index.confirmed.contains(id) => "a check saw its payment",
            _ => "its client got no answer",
        };
        let what = format!("paid, {how}, no {missing}");
        found.push(violation(Class::Lost, number, what));
        return;
    };
    let mut differences = Vec::new();
    differ(
        &mut differences,
        "payment_id",
        &code.payment_id,
        &order.payjs_order_id,
    );
    let transaction = order.transaction_id.clone().unwrap_or_default();
    differ(
        &mut differences,
        "transaction_id",
        &code.transaction_id,
        &transaction,
    );
    differ(
        &mut differences,
        "mapping's code",
        &mapping.code_id.to_hex(),
        &code.id.to_hex(),
    );
    differ(
        &mut differences,
        "mapping's payment",
        &mapping.payment_id,
        &code.payment_id,
    );
    if let Some(placed) = index.placed.get(number) {
        of_client(&mut differences, placed, code);
    } else {
        differences.push("no client placed this order".to_owned());
    }
    if !differences.is_empty() {
        found.push(violation(Class::Wrong, number, differences.join(", ")));
    }
}

fn of_client(differences: &mut Vec<String>, placed: &Placed, code: &Code) {
    differ(differences, "openid", code.openid.as_str(), &placed.openid);
    let (fee, price) = (
        code.total_fee.fen().to_string(),
        placed.total_fee.to_string(),
    );
    differ(differences, "total_fee", &fee, &price);
    if code.content != placed.content {
        differences.push("other content".to_owned());
    }
    if let Some(answered) = &placed.answered {
        differ(
            differences,
            "id that /checkOrder answered",
            answered,
            &code.id.to_hex(),
        );
    }
    if let Some(denied) = &placed.denied {
        differences.push(format!("it was denied: {denied}"));
    }
}

fn differ(differences: &mut Vec<String>, name: &str, is: &str, should_be: &str) {
    if is != should_be {
        differences.push(format!("{name} is {is:?}, not {should_be:?}"));
    }
}

fn doubles(books: &Books, index: &Index<'_>, found: &mut Vec<Violation>) {
    for (number, codes) in &index.codes {
        if codes.len() > 1 {
            let what = format!("{} codes", codes.len());
            found.push(violation(Class::Double, number, what));
        }
    }
    let mut owners = BTreeMap::new();
    for mapping in &books.mappings {
        if let Some(other) = owners.insert(mapping.code_id, &mapping.out_trade_no) {
            let what = format!("order {other} has the same code");
            found.push(violation(
                Class::Double,
                mapping.out_trade_no.as_str(),
                what,
            ));
        }
    }
}

fn leftovers(books: &Books, index: &Index<'_>, found: &mut Vec<Violation>) {
    let queue = &books.queue;
    let held: u64 = queue.pending.values().sum();
    let left = [
        (queue.waiting, "events in the stream"),
        (held, "pending events"),
        (queue.retries, "parked events"),
        (queue.confirms, "waiting confirms"),
        (
            queue.pending.len().saturating_sub(2) as u64,
            "dead consumers",
        ),
    ];
    for (count, what) in left.into_iter().filter(|(count, _)| *count > 0) {
        found.push(Violation {
            class: Class::Stuck,
            out_trade_no: None,
            what: format!("{count} {what}"),
            known: vec![format!("{queue:?}")],
        });
    }
    for (number, ttl) in &books.cached {
        if index.mappings.contains_key(number.as_str()) {
            let what = "its order is still cached";
            found.push(violation(Class::Stuck, number, what));
        } else if ttl.is_none() {
            let what = "its order never expires";
            found.push(violation(Class::Stuck, number, what));
        }
    }
    for number in &books.failed {
        let what = "it is marked as failed";
        found.push(violation(Class::Stuck, number, what));
    }
}

/// Reports all dead letters and rejected events. A run has no double payments, forgeries or wrong amounts.
fn letters(books: &Books, found: &mut Vec<Violation>) {
    for buried in &books.buried {
        let what = buried.what.as_str();
        found.push(violation(Class::DeadLetter, &buried.out_trade_no, what));
    }
}

fn violation(class: Class, out_trade_no: &str, what: impl Into<String>) -> Violation {
    Violation {
        class,
        out_trade_no: Some(out_trade_no.to_owned()),
        what: what.into(),
        known: Vec::new(),
    }
}

/// All records of an order, line by line.
fn known(books: &Books, out_trade_no: Option<&str>) -> Vec<String> {
    let Some(number) = out_trade_no else {
        return vec![format!("{:?}", books.queue)];
    };
    let mut known = Vec::new();
    let placed = books.placed.iter().filter(|one| one.out_trade_no == number);
    known.extend(placed.map(|one| format!("client: {one:?}")));
    for order in &books.ledger.orders {
        if order.out_trade_no == number {
            known.push(format!("PayJS: {order:?}"));
            let id = &order.payjs_order_id;
            let notifies = books.ledger.notifies.iter();
            known.extend(
                notifies
                    .filter(|one| one.payjs_order_id == *id)
                    .map(|one| format!("{one:?}")),
            );
            let checks = books.ledger.checks.iter();
            known.extend(
                checks
                    .filter(|one| one.payjs_order_id == *id)
                    .map(|one| format!("{one:?}")),
            );
        }
    }
    let codes = books
        .codes
        .iter()
        .filter(|one| one.out_trade_no.as_str() == number);
    known.extend(codes.map(|one| format!("code: {one:?}")));
    let mappings = books
        .mappings
        .iter()
        .filter(|one| one.out_trade_no.as_str() == number);
    known.extend(mappings.map(|one| format!("mapping: {one:?}")));
    if let Some(ttl) = books.cached.get(number) {
        known.push(format!("cached order, expires in {ttl:?} s"));
    }
    known
}

#[cfg(test)]
mod tests;
