//! `requestState` on its way through us: sealed when a modern upstream gives it, opened when
//! the client brings it back. What `resultType` asks for more is in `relay`.

use super::{Reply, forward::Outgoing, one::Upstream, seal::Binding};
use crate::call::Caller;
use mcp_protocol::{Era, Payload, RawObject, RawValue, RpcError, code, raw_string};
use std::time::{SystemTime, UNIX_EPOCH};

impl Upstream {
    /// Opens a `requestState` that comes back.
    pub(super) fn unseal(&self, caller: &Caller, outgoing: &mut Outgoing<'_>) -> Result<(), Reply> {
        if caller.era == Era::Legacy {
            return Ok(());
        }
        let params = outgoing.params.and_then(RawObject::parse).unwrap_or_default();
        let Some(sealed) = params.get("requestState") else { return Ok(()) };
        let sealed: Option<String> = serde_json::from_str(sealed.get()).ok();
        let binding = self.binding(caller, outgoing, &params);
        let state = sealed.and_then(|sealed| self.shared.sealer.open(&sealed, &binding, now_s()));
        let state = state.ok_or_else(|| {
            let reason =
                "`requestState` is not one that was given for this request, or it is too old";
            Reply::callers_fault(RpcError::invalid_params(reason))
        })?;
        outgoing.replaced.push(("requestState", raw_string(&state)));
        Ok(())
    }

    /// Seals the `requestState` of a modern upstream that wants input.
    pub(super) fn seal(
        &self,
        caller: &Caller,
        outgoing: &Outgoing<'_>,
        era: Era,
        result: Box<RawValue>,
    ) -> Payload {
        let named = ["\"requestState\"", "\"taskId\""];
        let may_be_sealed = named.iter().any(|member| result.get().contains(member));
        if (caller.era, era) != (Era::Modern, Era::Modern) || !may_be_sealed {
            return Ok(result);
        }
        let Some(mut object) = RawObject::parse(&result) else { return Ok(result) };
        match object.get_str("resultType").as_deref() {
            Some("input_required") => {}
            Some("task") => return self.seal_task(caller, object),
            _ => return Ok(result),
        }
        let Some(state) = object.get_str("requestState") else { return Ok(result) };
        let params = outgoing.params.and_then(RawObject::parse).unwrap_or_default();
        let binding = self.binding(caller, outgoing, &params);
        let sealed = self
            .shared
            .sealer
            .seal(&state, &binding, now_s())
            .ok_or_else(|| RpcError::new(code::INTERNAL, "the state could not be sealed"))?;
        object.set("requestState", raw_string(&sealed));
        Ok(object.to_raw())
    }

    /// What a state is bound to.
    fn binding<'a>(
        &'a self,
        caller: &'a Caller,
        outgoing: &Outgoing<'a>,
        params: &'a RawObject<'_>,
    ) -> Binding<'a> {
        Binding {
            principal: &caller.principal,
            upstream: &self.name,
            method: outgoing.method.as_str(),
            target: outgoing.subject,
            arguments: params.get("arguments"),
        }
    }
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
