//! Signed requests: the time of signing and the signer.

use std::time::Duration;

use axum::extract::{FromRequest, MatchedPath, Request};
use heyi_common::{
    config,
    config::Config,
    sign::{self, ROUTE, Routed, SIGN, TS},
};
use jiff::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, de::DeserializeOwned};
use utoipa::IntoParams;

use super::{Fields, Within, given};
use crate::{http::error::Error, state::AppState};

/// The names of [`Signature`].
const NAMES: [&str; 2] = [SIGN, TS];

/// All names that the signed text may contain, on any route. Each further name makes more values ambiguous.
pub(crate) const SIGNED: [&str; 10] = [
    "before", "channel", "code", "data", "days", "id", "openId", ROUTE, "totalFee", TS,
];

type UnixTime = Within<i64, 1, { u32::MAX }>;

/// What a signed request has besides its own parameters.
#[derive(Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Signature {
    /// When the request was signed: Unix time in seconds, at most `sign.window` off.
    #[param(inline, required)]
    ts: Option<UnixTime>,
    /// Signature over all parameters and `route`, the path of the route. `/newOrder` needs none if `orders.require_sign` is off.
    #[param(required)]
    sign: Option<String>,
}

/// The parameters of a signed route, as [`Params`](super::Params), and their signature. The signer is not yet verified.
pub(crate) struct SignedParams<T>(pub(crate) T, pub(crate) Signed);

impl<T: DeserializeOwned> FromRequest<AppState> for SignedParams<T> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Error> {
        let route = request.extensions().get::<MatchedPath>().cloned();
        let given = given(request).await?;
        let request = Fields::strict(&given, &NAMES).read()?;
        Ok(Self(
            request,
            Signed::new(route, given, &state.config.sign)?,
        ))
    }
}

/// The signature of a request whose time is valid. The signer is not yet verified.
pub(crate) struct Signed {
    /// The route of the request.
    route: Option<MatchedPath>,
    params: sign::Params,
    signature: Signature,
    now: i64,
}

impl Signed {
    /// Checks what needs no key: the time of signing, and that the signed text is unambiguous.
    fn new(
        route: Option<MatchedPath>,
        params: sign::Params,
        config: &config::Sign,
    ) -> Result<Self, Error> {
        let now = Timestamp::now().as_second();
        let mut signed = Self {
            route,
            params,
            signature: Signature::default(),
            now,
        };
        if !signed.is_there() {
            return Ok(signed);
        }
        if let Some((name, inner)) = sign::second_reading(&signed.params, &SIGNED) {
            return Err(Error::Invalid(format!(
                "the value of {name:?} contains \"&{inner}=\", which signs like a parameter of its own: in JSON, \
                 write & as \\u0026"
            )));
        }
        let own = signed.params.iter();
        let own = own.filter(|(name, _)| NAMES.contains(&name.as_str()));
        signed.signature = Fields::strict(own, &[]).read().map_err(|_| {
            let errmsg = "ts must be Unix time in seconds, in digits".to_owned();
            Error::WrongTime { errmsg, now }
        })?;
        signed.check_ts(config)?;
        Ok(signed)
    }

    /// Whether the request has a signature, valid or not.
    pub(crate) fn is_there(&self) -> bool {
        self.params.contains_key(SIGN)
    }

    /// The time of signing in Unix seconds. None for clients of the old service, where they are accepted.
    pub(crate) fn ts(&self) -> Option<i64> {
        self.signature.ts.map(|Within(ts)| ts)
    }

    /// The signature in upper-case hex, and how long to remember it, if it may be used only once. None for clients of
    /// the old service: they send no `ts`, so two requests can be identical.
    pub(crate) fn once(&self, config: &Config) -> Option<(String, Duration)> {
        self.ts()?;
        let signature = self.signature.sign.as_ref()?.to_ascii_uppercase();
        let window = config.sign.window;
        // Without a window the signature never expires. It makes no second order during the lifetime of the first.
        let accepted_for = if window.is_zero() {
            config.orders.ttl
        } else {
            2 * window
        };
        Some((signature, accepted_for + sign::CLOCKS_APART))
    }

    /// Verifies that the mini-program signed.
    pub(crate) fn by_app(&self, config: &Config) -> Result<(), Error> {
        if self.fits(&config.sign.app_key) {
            Ok(())
        } else {
            Err(Error::BadSign)
        }
    }

    /// Verifies that the person signed.
    pub(crate) fn by_person(&self, openid: &str, config: &Config) -> Result<(), Error> {
        let mut keys = sign::accepted_keys(&config.sign, openid, self.now);
        if self.is_there() && keys.any(|key| self.fits(&key)) {
            Ok(())
        } else {
            Err(Error::BadSign)
        }
    }

    /// Clients of the old service send no `ts` and do not sign the `route`.
    fn fits(&self, key: &SecretString) -> bool {
        let params = &self.params;
        if self.ts().is_some() {
            let route = self.route.as_ref().map_or("", MatchedPath::as_str);
            sign::verify(&Routed { route, params }, key)
        } else {
            sign::verify(params, key)
        }
    }

    fn check_ts(&self, config: &config::Sign) -> Result<(), Error> {
        let window = config.window.as_secs();
        let errmsg = match self.ts() {
            _ if window == 0 => return Ok(()),
            None => "ts is missing: sign route and ts as well".to_owned(),
            Some(ts) if ts.abs_diff(self.now) > window => format!(
                "ts is more than {window} s off: set the clock by now, which is the server's time, and sign again"
            ),
            Some(_) => return Ok(()),
        };
        let now = self.now;
        Err(Error::WrongTime { errmsg, now })
    }
}
