//! Signed requests: when they were signed, and by whom.

use std::time::Duration;

use heyi_common::{
    config,
    config::Config,
    sign::{self, ROUTE, Routed, SIGN, TS},
};
use jiff::Timestamp;
use secrecy::SecretString;
use utoipa::IntoParams;

use crate::http::error::Error;

/// What a signed request has besides its own parameters.
pub(super) const NAMES: [&str; 2] = [SIGN, TS];

/// All that the signed text of a request may name, on any route: a name more makes more values ambiguous.
pub(crate) const SIGNED: [&str; 10] = [
    "before", "channel", "code", "data", "days", "id", "openId", ROUTE, "totalFee", TS,
];

/// The latest time that is taken for one, in seconds: that of the year 5138.
const LONGEST_TS: usize = 11;

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "for the document: `Signed` reads them")]
pub(crate) struct Signature {
    /// When the request was signed: Unix time in seconds, at most `sign.window` off.
    #[param(value_type = i64, minimum = 1)]
    ts: String,
    /// Signature over all parameters and `route`, the path of the route.
    sign: String,
}

/// The same where a request need not be signed.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "for the document: `Signed` reads them")]
pub(crate) struct OptionalSignature {
    /// When the request was signed: Unix time in seconds, at most `sign.window` off.
    #[param(value_type = Option<i64>, minimum = 1)]
    ts: Option<String>,
    /// Signature over all parameters and `route`, the path of the route. Required unless `orders.require_sign` is off.
    sign: Option<String>,
}

/// The signature of a request, whose time is right. By whom it is, is still to be checked.
pub(crate) struct Signed<'a> {
    route: &'a str,
    params: &'a sign::Params,
    ts: Option<i64>,
    now: i64,
}

impl<'a> Signed<'a> {
    /// Checks what depends on nobody's key: when the request was signed, and that its text has one reading only.
    pub(super) fn new(
        route: &'a str,
        params: &'a sign::Params,
        config: &config::Sign,
    ) -> Result<Self, Error> {
        let now = Timestamp::now().as_second();
        let mut signed = Self {
            route,
            params,
            ts: None,
            now,
        };
        if !signed.is_there() {
            return Ok(signed);
        }
        if let Some((name, inner)) = sign::second_reading(params, &SIGNED) {
            return Err(Error::Invalid(format!(
                "the value of {name:?} contains \"&{inner}=\", which signs like a parameter of its own: in JSON, \
                 write & as \\u0026"
            )));
        }
        signed.ts = checked_ts(params.get(TS), now, config)?;
        Ok(signed)
    }

    /// Whether there is a signature, right or wrong.
    pub(crate) fn is_there(&self) -> bool {
        self.params.contains_key(SIGN)
    }

    /// When it was signed, in Unix seconds. None for clients of the old service, where they are accepted.
    pub(crate) fn ts(&self) -> Option<i64> {
        self.ts
    }

    /// The signature in upper-case hex, and how long it is to be remembered where it may be used once only. There is none
    /// for clients of the old service, whose requests carry no `ts` that could tell two of them apart.
    pub(crate) fn once(&self, config: &Config) -> Option<(String, Duration)> {
        self.ts?;
        let signature = self.params.get(SIGN)?.to_ascii_uppercase();
        let window = config.sign.window;
        // Without a window it is accepted for ever; for as long as an order lives, it makes no second one.
        let accepted_for = if window.is_zero() {
            config.orders.ttl
        } else {
            2 * window
        };
        Some((signature, accepted_for + sign::CLOCKS_APART))
    }

    /// Checks that the mini-program signed.
    pub(crate) fn by_app(&self, config: &Config) -> Result<(), Error> {
        if self.fits(&config.sign.app_key) {
            Ok(())
        } else {
            Err(Error::BadSign)
        }
    }

    /// Checks that the person signed.
    pub(crate) fn by_person(&self, openid: &str, config: &Config) -> Result<(), Error> {
        let mut keys = sign::accepted_keys(&config.sign, openid, self.now);
        if self.is_there() && keys.any(|key| self.fits(&key)) {
            Ok(())
        } else {
            Err(Error::BadSign)
        }
    }

    /// A request without `ts` was signed by a client of the old service, which knows no `route` either.
    fn fits(&self, key: &SecretString) -> bool {
        let Self { route, params, .. } = *self;
        if self.ts.is_some() {
            sign::verify(&Routed { route, params }, key)
        } else {
            sign::verify(params, key)
        }
    }
}

fn checked_ts(
    text: Option<&String>,
    now: i64,
    config: &config::Sign,
) -> Result<Option<i64>, Error> {
    let window = i64::try_from(config.window.as_secs()).unwrap_or(i64::MAX);
    let wrong = |errmsg: &str| Error::WrongTime {
        errmsg: errmsg.to_owned(),
        now,
    };
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return if window == 0 {
            Ok(None)
        } else {
            Err(wrong("ts is missing: sign route and ts as well"))
        };
    };
    let is_plain = (1..=LONGEST_TS).contains(&text.len())
        && !text.starts_with('0')
        && text.bytes().all(|byte| byte.is_ascii_digit());
    let ts: Option<i64> = text.parse().ok().filter(|_| is_plain);
    let Some(ts) = ts else {
        return Err(wrong("ts must be Unix time in seconds, in digits"));
    };
    if window > 0 && ts.abs_diff(now) > window.unsigned_abs() {
        return Err(wrong(&format!(
            "ts is more than {window} s off: set the clock by now, which is the server's time, and sign again"
        )));
    }
    Ok(Some(ts))
}
