//! `heyi-worker code disable --owner`

use anyhow::{Context as _, bail};
use heyi_common::order::OpenId;
use serde_json::{Value, json};

use crate::{Context, blocks::MARK_TTL, operator::output::Out};

/// Takes down all codes of a person, or restores them. Writes MongoDB first; workers copy the list to Redis.
pub(super) async fn set_disabled(
    openid: &OpenId,
    disabled: bool,
    context: &Context,
    out: &Out,
) -> anyhow::Result<()> {
    let codes = if disabled {
        context.store.block_owner(openid).await?;
        let marked = context
            .orders
            .block(std::slice::from_ref(openid), MARK_TTL)
            .await;
        marked.context(
            "the codes are disabled, but Redis did not answer: new orders are refused once a worker has marked \
             the person there, which takes less than a minute after Redis is back",
        )?;
        // A worker that promotes an order concurrently may have missed the mark.
        context.store.block_owner(openid).await?
    } else {
        let Some(codes) = context.store.unblock_owner(openid).await? else {
            bail!("the codes of {openid} are not disabled");
        };
        context.orders.unblock(openid).await.context(
            "the codes are enabled, but Redis did not answer: new orders are refused for up to ten minutes",
        )?;
        codes
    };
    let state = if disabled { "disabled" } else { "enabled" };
    let orders = if disabled { "refused" } else { "taken again" };
    let json = json!({ "openid": openid.as_str(), "state": state, "codes": codes });
    out.show(&json, || {
        format!("{codes} code(s) of {openid} {state}; new orders are {orders}")
    })
}

/// Lists everyone whose codes are taken down.
pub(super) async fn list(context: &Context, out: &Out) -> anyhow::Result<()> {
    let time = |at: mongodb::bson::DateTime| at.try_to_rfc3339_string().unwrap_or_default();
    let owners = context.store.blocked_owners().await?;
    let items: Vec<Value> = owners
        .iter()
        .map(|owner| json!({ "openid": owner.openid.as_str(), "disabled_at": time(owner.blocked_at) }))
        .collect();
    out.show(&items, || {
        if owners.is_empty() {
            return "nobody".to_owned();
        }
        let lines = owners.iter();
        let lines = lines.map(|owner| format!("{:<26}{}\n", time(owner.blocked_at), owner.openid));
        lines.collect()
    })
}
