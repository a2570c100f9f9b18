//! Tables of dead letters and rejected events.

use std::fmt::Write as _;

use heyi_common::queue::dead::{Letter, Page};

use crate::operator::output::{count, time, yuan};

/// The listed letters, newest first, and the total number.
pub(super) fn table(letters: &[Letter], page: Page, total: u64, what: &str) -> String {
    let Some(last) = letters.last() else {
        return match total {
            0 => format!("no {what}"),
            total => format!("none of the {} {what} is older than that", count(total)),
        };
    };
    let mut text = format!(
        "{:<24}{:<22}{:<34}{:>9}  {:<15}error\n",
        "id", "received", "out_trade_no", "yuan", "reason"
    );
    for letter in letters {
        let line = format!(
            "{:<24}{:<22}{:<34}{:>9}  {:<15}{}",
            letter.id,
            time(letter.field("received_at")),
            or_dash(letter.out_trade_no()),
            or_dash(amount(letter)),
            letter.field("reason"),
            letter.field("error")
        );
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}", line.trim_end());
    }
    let shown = letters.len() as u64;
    let _ = write!(text, "{} of {} {what}", count(shown), count(total));
    // A page shorter than `most` is the last one.
    if letters.len() >= page.most && shown < total {
        let _ = write!(text, "; --before {} shows older ones", last.id);
    }
    text
}

fn or_dash(text: String) -> String {
    if text.is_empty() {
        "-".to_owned()
    } else {
        text
    }
}

/// The paid amount that the gateway reported; empty if it reported none.
pub(super) fn amount(letter: &Letter) -> String {
    let fee = letter.total_fee();
    fee.map(|fee| yuan(fee.fen())).unwrap_or_default()
}
