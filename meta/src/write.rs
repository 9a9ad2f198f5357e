//! Where does a write go? To an index, an alias's write index, or a data stream, which the first
//! write makes.

use model::id::IndexName;
use model::meta::{Fault, MetaKind, WriteAsk, WriteNames, WriteTarget};

use crate::date_name;
use crate::pattern::glob;
use crate::registry::Registry;
use crate::state::State;
use crate::stream;

impl WriteNames for Registry {
    fn target(&self, name: &str, ask: WriteAsk) -> Result<WriteTarget, Fault> {
        let name = date_name::resolve(name, self.now())?;
        let state = self.state();
        let is_alias = state.is_alias(&name);
        if ask.require_alias && !is_alias {
            return Err(missing(
                &name,
                &format!("[require_alias] request flag is [true] and [{name}] is not an alias"),
            ));
        }
        let target = if is_alias { write_index(&state, &name)? } else { name };
        if state.stream(&target).is_some() {
            return into_stream(&state, &target, ask);
        }
        if ask.require_data_stream && !self.makes_stream(&state, &target) {
            return Err(missing(
                &target,
                &format!(
                    "[require_data_stream] request flag is [true] and [{target}] is not a data stream"
                ),
            ));
        }
        if let Some(stream) = state.stream_of(&target) {
            return Err(backing(stream, ask));
        }
        if let Some(index) = state.index(&target) {
            if index.closed {
                let closed = Fault::new(400, "index_closed_exception", "closed");
                return Err(Fault { index: Some(target), ..closed });
            }
            if index.created {
                return Ok(plain(&target));
            }
        }
        if let Some(fault) = model::id::index_name_fault(&target) {
            return Err(Fault::index_name(&target, fault));
        }
        if self.makes_stream(&state, &target) {
            self.check_auto_create(&state, &target)?;
            if !ask.create {
                return Err(only_create());
            }
            return self.make_stream(&target, ask);
        }
        if state.cluster().get("action.auto_create_index").is_some() && !self.has_records(&target) {
            self.check_auto_create(&state, &target)?;
        }
        Ok(plain(&target))
    }

    fn has_pipeline(&self, name: &str) -> bool {
        self.state().get(MetaKind::Pipeline, name).is_some()
    }
}

fn plain(index: &str) -> WriteTarget {
    WriteTarget { index: IndexName::new(index), data_stream: false }
}

fn missing(name: &str, why: &str) -> Fault {
    let mut fault = Fault::no_such_index(name);
    fault.reason = format!("{} and {why}", fault.reason);
    fault
}

fn only_create() -> Fault {
    Fault::argument("only write ops with an op_type of create are allowed in data streams")
}

fn backing(stream: &str, ask: WriteAsk) -> Fault {
    Fault::argument(match ask.create {
        true => format!(
            "index request with op_type=create targeting backing indices is disallowed, target \
             corresponding data stream [{stream}] instead"
        ),
        false => "index request with op_type=index and no if_primary_term and if_seq_no set \
                  targeting backing indices is disallowed"
            .to_owned(),
    })
}

fn into_stream(state: &State, name: &str, ask: WriteAsk) -> Result<WriteTarget, Fault> {
    if !ask.create {
        return Err(only_create());
    }
    let index = state.stream(name).and_then(|stream| stream.write_index());
    let index = index.ok_or_else(|| Fault::no_such_index(name))?;
    Ok(WriteTarget { index: IndexName::new(index), data_stream: true })
}

/// The index, or data stream, that writes to an alias go to.
fn write_index(state: &State, alias: &str) -> Result<String, Fault> {
    let members = state.aliases().get(alias).into_iter().flatten();
    let mut first = None;
    let mut count = 0;
    for member in members {
        let spec = match state.stream(member) {
            Some(stream) => stream.aliases.get(alias),
            None => state.index(member).and_then(|index| index.aliases.get(alias)),
        };
        match spec.and_then(|spec| spec.is_write_index) {
            Some(true) => return Ok(member.clone()),
            Some(false) => count += 1,
            None => {
                first = Some(member);
                count += 1;
            }
        }
    }
    match first {
        Some(only) if count == 1 => Ok(only.clone()),
        _ => Err(Fault::argument(format!(
            "no write index is defined for alias [{alias}]. The write index may be explicitly \
             disabled using is_write_index=false or the alias points to multiple indices without \
             one being designated as a write index"
        ))),
    }
}

impl Registry {
    /// Whether a write to this name makes a data stream.
    fn makes_stream(&self, state: &State, name: &str) -> bool {
        state.index(name).is_none()
            && state.template_for(name).is_some_and(|(_, t)| t.stream.is_some())
            && !self.has_records(name)
    }

    fn make_stream(&self, name: &str, ask: WriteAsk) -> Result<WriteTarget, Fault> {
        self.update(|draft| match draft.state().stream(name) {
            // Another write was faster.
            Some(_) => Ok(()),
            None => stream::create(draft, name),
        })?;
        into_stream(&self.state(), name, ask)
    }

    /// Fails when `action.auto_create_index` forbids to make an index of this name.
    fn check_auto_create(&self, state: &State, name: &str) -> Result<(), Fault> {
        let Some(setting) = state.cluster().get("action.auto_create_index") else { return Ok(()) };
        match state.template_for(name).and_then(|(_, t)| t.allow_auto_create) {
            Some(true) => return Ok(()),
            Some(false) => {
                let why = "composable template forbids index auto creation";
                return Err(missing(name, why));
            }
            None => {}
        }
        match setting {
            "true" => return Ok(()),
            "false" => return Err(missing(name, "[action.auto_create_index] is [false]")),
            _ => {}
        }
        for rule in setting.split(',').map(str::trim).filter(|rule| !rule.is_empty()) {
            let (allowed, pattern) = match (rule.strip_prefix('+'), rule.strip_prefix('-')) {
                (Some(pattern), _) => (true, pattern),
                (_, Some(pattern)) => (false, pattern),
                _ => (true, rule),
            };
            if glob(pattern, name) {
                return match allowed {
                    true => Ok(()),
                    false => Err(missing(
                        name,
                        &format!(
                            "[action.auto_create_index] contains [{rule}] which forbids automatic \
                         creation of the index"
                        ),
                    )),
                };
            }
        }
        Err(missing(name, &format!("[action.auto_create_index] ([{setting}]) doesn't match")))
    }
}
