//! What is told of nodes, shards, aliases and templates, for a person? All tables but that of
//! indexes.

use axum::response::Response;
use meta::pattern::glob;
use meta::state::State;
use model::meta::MetaKind;
use serde_json::Value as Json;

use super::super::call::Call;
use super::super::error::ApiError;
use super::super::indexes::{Indexes, LOOKUP_PARAMS, Lookup};
use super::super::{Api, aliases, delete, indexes, search};
use super::{Cell, Column, PARAMS, more, respond, shown};
use crate::request::SearchRequest;

type Rows = Vec<Vec<Cell>>;

/// `GET /_cat/{name}`.
pub(super) async fn table(api: Api, call: Call, name: &str) -> Result<Response, ApiError> {
    let own: &[&str] = match name {
        "count" => &["q", "df", "default_operator", "analyzer", "analyze_wildcard", "lenient"],
        "nodes" => &["full_id", "include_unloaded_segments"],
        "recovery" => &["active_only", "detailed"],
        "health" => &["ts"],
        "thread_pool" => &["size"],
        "tasks" => &["actions", "detailed", "nodes", "parent_task_id"],
        "plugins" => &["include_bootstrap"],
        _ => &[],
    };
    call.params.only(&call.path, &[&LOOKUP_PARAMS, &PARAMS, own])?;
    let (columns, rows): (&[Column], Rows) = match name {
        "aliases" => (&ALIASES, alias_rows(&api, &call)?),
        "health" => (&HEALTH, health_rows(&api, &call)?),
        "count" => (&COUNT, count_rows(&api, &call).await?),
        "nodes" => (&NODES, vec![node_row(&api)]),
        "master" => (&MASTER, vec![master_row(&api)]),
        "shards" => (&SHARDS, shard_rows(&api, &call)?),
        "allocation" => (&ALLOCATION, allocation_rows(&api, &call)),
        "templates" => (&TEMPLATES, template_rows(&api, &call)),
        "segments" => (&SEGMENTS, segment_rows(&api, &call)?),
        "thread_pool" => (&THREADS, thread_rows(&api, &call)),
        "recovery" => (&RECOVERY, Vec::new()),
        "pending_tasks" => (&PENDING, Vec::new()),
        "tasks" => (&TASKS, task_rows(&api)),
        "nodeattrs" => (&ATTRIBUTES, Vec::new()),
        "fielddata" => (&FIELDDATA, Vec::new()),
        _ => (&PLUGINS, Vec::new()),
    };
    respond(&call, columns, rows)
}

const ALIASES: [Column; 6] = [
    shown("alias", "a", "alias name"),
    shown("index", "i,idx", "index alias points to"),
    shown("filter", "f,fi", "filter"),
    shown("routing.index", "ri,routingIndex", "index routing"),
    shown("routing.search", "rs,routingSearch", "search routing"),
    shown("is_write_index", "w,isWriteIndex", "write index"),
];

fn alias_rows(api: &Api, call: &Call) -> Result<Rows, ApiError> {
    let indexes = Indexes::of(api, &api.searcher.snapshot(&api.tenant()));
    let lookup = Lookup { forbid_closed: false, ..Lookup::of(&call.params)? };
    let found = indexes.found(&[], lookup)?;
    let wanted = call.part_list("name");
    let view = indexes.view();
    let streams = indexes.state.streams().map(|(name, _)| name.to_owned());
    let mut rows = Vec::new();
    for name in found.into_keys().chain(streams) {
        for (alias, spec) in aliases::of(&view, &name) {
            if wanted.is_empty() || wanted.iter().any(|w| glob(w, &alias)) {
                let text = |value: Option<String>| Cell::Text(value.unwrap_or_else(|| "-".into()));
                rows.push(vec![
                    alias.clone().into(),
                    name.clone().into(),
                    if spec.filter.is_some() { "*" } else { "-" }.into(),
                    text(spec.index_routing.clone()),
                    text(spec.search_routing.clone()),
                    text(spec.is_write_index.map(|write| write.to_string())),
                ]);
            }
        }
    }
    rows.sort_by_key(|row| (row[0].print(&Default::default()), row[1].print(&Default::default())));
    Ok(rows)
}

/// Seconds since 1970, and the time of day.
fn clock(api: &Api) -> [Cell; 2] {
    let now = api.now();
    let day = now.rfc3339();
    let time = day.get(11..19).unwrap_or_default();
    [Cell::Text((now.millis() / 1000).to_string()), time.into()]
}

const HEALTH: [Column; 14] = [
    shown("epoch", "t,time", "seconds since 1970-01-01 00:00:00"),
    shown("timestamp", "ts,hms,hhmmss", "time in HH:MM:SS"),
    shown("cluster", "cl", "cluster name"),
    shown("status", "st", "health status"),
    shown("node.total", "nt,nodeTotal", "total number of nodes"),
    shown("node.data", "nd,nodeData", "number of nodes that can store data"),
    shown("shards", "t,sh,shards.total,shardsTotal", "total number of shards"),
    shown("pri", "p,shards.primary,shardsPrimary", "number of primary shards"),
    shown("relo", "r,shards.relocating,shardsRelocating", "number of relocating nodes"),
    shown("init", "i,shards.initializing,shardsInitializing", "number of initializing nodes"),
    shown("unassign", "u,shards.unassigned,shardsUnassigned", "number of unassigned shards"),
    shown("pending_tasks", "pt,pendingTasks", "number of pending tasks"),
    shown("max_task_wait_time", "mtwt,maxTaskWaitTime", "wait time of longest task pending"),
    shown("active_shards_percent", "asp,activeShardsPercent", "active number of shards in percent"),
];

fn health_rows(api: &Api, call: &Call) -> Result<Rows, ApiError> {
    let indexes = Indexes::of(api, &api.searcher.snapshot(&api.tenant()));
    let shards = indexes.view().indices().len() as u64;
    let mut row = Vec::new();
    if call.params.flag("ts")?.unwrap_or(true) {
        row.extend(clock(api));
    } else {
        row.extend([Cell::None, Cell::None]);
    }
    row.extend([api.settings.cluster_name.clone().into(), Cell::from("green")]);
    row.extend([1, 1, shards, shards, 0, 0, 0, 0].map(Cell::from));
    row.extend([Cell::from("-"), Cell::from("100.0%")]);
    Ok(vec![row])
}

const COUNT: [Column; 3] = [
    shown("epoch", "t,time", "seconds since 1970-01-01 00:00:00"),
    shown("timestamp", "ts,hms,hhmmss", "time in HH:MM:SS"),
    shown("count", "dc,docs.count,docsCount", "the document count"),
];

async fn count_rows(api: &Api, call: &Call) -> Result<Rows, ApiError> {
    let query = search::query_of_url(api, &call.params)?;
    let indexes = call.indexes.clone();
    let mut request = SearchRequest { indexes, query, ..SearchRequest::default() };
    let lookup = Lookup::of(&call.params)?;
    indexes::aim(api, &api.searcher.snapshot(&api.tenant()), &mut request, lookup)?;
    let answer = api.searcher.count(&api.tenant(), request).await?;
    let mut row = clock(api).to_vec();
    row.push(answer.count.into());
    Ok(vec![row])
}

const NODES: [Column; 33] = [
    more("id", "id,nodeId", "unique node id"),
    more("pid", "p", "process id"),
    shown("ip", "i", "ip address"),
    more("port", "po", "bound transport port"),
    more("http_address", "http", "bound http address"),
    more("version", "v", "es version"),
    more("flavor", "f", "es distribution flavor"),
    more("type", "t", "es distribution type"),
    more("build", "b", "es build hash"),
    more("jdk", "j", "jdk version"),
    more("disk.total", "dt,diskTotal", "total disk space"),
    more("disk.used", "du,diskUsed", "used disk space"),
    more("disk.avail", "d,da,disk,diskAvail", "available disk space"),
    more("disk.used_percent", "dup,diskUsedPercent", "used disk space percentage"),
    more("heap.current", "hc,heapCurrent", "memory of the process"),
    shown("heap.percent", "hp,heapPercent", "memory of the process, of the machine's"),
    more("heap.max", "hm,heapMax", "memory of the machine"),
    more("ram.current", "rc,ramCurrent", "used machine memory"),
    shown("ram.percent", "rp,ramPercent", "used machine memory ratio"),
    more("ram.max", "rn,ramMax", "total machine memory"),
    more("file_desc.current", "fdc,fileDescriptorCurrent", "used file descriptors"),
    more("file_desc.percent", "fdp,fileDescriptorPercent", "used file descriptor ratio"),
    more("file_desc.max", "fdm,fileDescriptorMax", "max file descriptors"),
    shown("cpu", "cpu", "recent cpu usage"),
    shown("load_1m", "l", "1m load avg"),
    shown("load_5m", "l", "5m load avg"),
    shown("load_15m", "l", "15m load avg"),
    more("available_processors", "ap", "available processors"),
    more("uptime", "u", "node uptime"),
    shown("node.role", "r,role,nodeRole", "m:master eligible node, d:data node, i:ingest node"),
    shown("master", "m", "*:current master"),
    shown("name", "n", "node name"),
    more("attributes", "attr", "node attributes"),
];

fn percent(part: u64, whole: u64) -> u64 {
    if whole == 0 { 0 } else { (part as f64 / whole as f64 * 100.0).round() as u64 }
}

fn node_row(api: &Api) -> Vec<Cell> {
    let machine = platform::machine::now();
    let (total, free) = platform::machine::space(&api.node.data_dir);
    let used = total.saturating_sub(free);
    let ram = machine.memory_bytes.saturating_sub(machine.available_bytes);
    let load = machine.load.map(|load| Cell::Text(format!("{load:.2}")));
    let [one, five, fifteen] = load;
    let busy = machine.load[0] / machine.cores as f64 * 100.0;
    vec![
        api.node_id().into(),
        Cell::from(u64::from(std::process::id())),
        api.node.ip().into(),
        api.node.port().into(),
        api.node.http_address.clone().into(),
        api.settings.version.clone().into(),
        "default".into(),
        "logdrive".into(),
        env!("CARGO_PKG_VERSION").into(),
        Cell::None,
        Cell::Bytes(total),
        Cell::Bytes(used),
        Cell::Bytes(free),
        Cell::Text(format!("{:.2}", used as f64 / total.max(1) as f64 * 100.0)),
        Cell::Bytes(machine.process_bytes),
        percent(machine.process_bytes, machine.memory_bytes).into(),
        Cell::Bytes(machine.memory_bytes),
        Cell::Bytes(ram),
        percent(ram, machine.memory_bytes).into(),
        Cell::Bytes(machine.memory_bytes),
        machine.open_files.into(),
        percent(machine.open_files, machine.open_files_max).into(),
        machine.open_files_max.into(),
        Cell::Number(busy.clamp(0.0, 100.0).round()),
        one,
        five,
        fifteen,
        (machine.cores as u64).into(),
        Cell::Millis((api.now().millis() - api.node.started.millis()).max(0)),
        "dim".into(),
        "*".into(),
        api.settings.cluster_name.clone().into(),
        Cell::None,
    ]
}

const MASTER: [Column; 4] = [
    shown("id", "", "node id"),
    shown("host", "h", "host name"),
    shown("ip", "", "ip address"),
    shown("node", "n", "node name"),
];

fn master_row(api: &Api) -> Vec<Cell> {
    let ip = || Cell::from(api.node.ip());
    vec![api.node_id().into(), ip(), ip(), api.settings.cluster_name.clone().into()]
}

const SHARDS: [Column; 10] = [
    shown("index", "i,idx", "index name"),
    shown("shard", "s,sh", "shard name"),
    shown("prirep", "p,pr,primaryOrReplica", "primary or replica"),
    shown("state", "st", "shard state"),
    shown("docs", "d,dc", "number of docs in shard"),
    shown("store", "sto", "store size of shard"),
    shown("dataset", "", "total size of dataset"),
    shown("ip", "", "ip of node where it lives"),
    more("id", "", "unique id of node where it lives"),
    shown("node", "n", "name of node where it lives"),
];

fn shard_rows(api: &Api, call: &Call) -> Result<Rows, ApiError> {
    let indexes = Indexes::of(api, &api.searcher.snapshot(&api.tenant()));
    let found = indexes.resolve(&call.indexes, Lookup::about_all(&call.params)?)?;
    let row = |(name, stats): (String, indexes::IndexStats)| {
        vec![
            name.into(),
            0.into(),
            "p".into(),
            "STARTED".into(),
            stats.docs.into(),
            Cell::Bytes(stats.bytes),
            Cell::Bytes(stats.bytes),
            api.node.ip().into(),
            api.node_id().into(),
            api.settings.cluster_name.clone().into(),
        ]
    };
    Ok(found.into_iter().map(row).collect())
}

const ALLOCATION: [Column; 13] = [
    shown("shards", "s", "number of shards on node"),
    shown("shards.undesired", "", "number of shards that are scheduled to be moved elsewhere"),
    shown("write_load.forecast", "wlf", "sum of index write load forecasts"),
    shown("disk.indices.forecast", "dif", "sum of shard size forecasts"),
    shown("disk.indices", "di,diskIndices", "disk used by ES indices"),
    shown("disk.used", "du,diskUsed", "disk used (total, not just ES)"),
    shown("disk.avail", "da,diskAvail", "disk available"),
    shown("disk.total", "dt,diskTotal", "total capacity of all volumes"),
    shown("disk.percent", "dp,diskPercent", "percent disk used"),
    shown("host", "h", "host of node"),
    shown("ip", "", "ip of node"),
    shown("node", "n", "name of node"),
    shown("node.role", "r,role,nodeRole", "node roles"),
];

fn allocation_rows(api: &Api, call: &Call) -> Rows {
    let wanted = call.part_list("name");
    let name = &api.settings.cluster_name;
    let here = |w: &String| w == "_all" || w == "_local" || glob(w, name) || *w == api.node_id();
    if !wanted.is_empty() && !wanted.iter().any(here) {
        return Vec::new();
    }
    let snapshot = api.searcher.snapshot(&api.tenant());
    let bytes: u64 = snapshot.splits.iter().map(|s| s.meta().object_bytes).sum();
    let shards = Indexes::of(api, &snapshot).view().indices().len() as u64;
    let (total, free) = platform::machine::space(&api.node.data_dir);
    let used = total.saturating_sub(free);
    vec![vec![
        shards.into(),
        0.into(),
        Cell::Text("0.0".to_owned()),
        Cell::Bytes(bytes),
        Cell::Bytes(bytes),
        Cell::Bytes(used),
        Cell::Bytes(free),
        Cell::Bytes(total),
        percent(used, total).into(),
        api.node.ip().into(),
        api.node.ip().into(),
        name.clone().into(),
        "dim".into(),
    ]]
}

const TEMPLATES: [Column; 5] = [
    shown("name", "n", "template name"),
    shown("index_patterns", "t", "template index patterns"),
    shown("order", "o,p", "template application order/priority number"),
    shown("version", "v", "version"),
    shown("composed_of", "c", "component templates comprising index template"),
];

fn template_rows(api: &Api, call: &Call) -> Rows {
    let state = api.registry.state();
    let wanted = call.part_list("name");
    let mut rows = template_rows_of(&state, &wanted, MetaKind::IndexTemplate);
    rows.extend(template_rows_of(&state, &wanted, MetaKind::LegacyTemplate));
    rows.sort_by_key(|row| row[0].print(&Default::default()));
    rows
}

fn template_rows_of(state: &State, wanted: &[String], kind: MetaKind) -> Rows {
    let list = |value: &Json| {
        let names: Vec<&str> =
            value.as_array().into_iter().flatten().filter_map(Json::as_str).collect();
        format!("[{}]", names.join(", "))
    };
    let row = |(name, entry): (&str, &std::sync::Arc<meta::state::Entry>)| {
        let body = entry.json();
        let number =
            |value: &Json| value.as_i64().map_or(Cell::None, |n| Cell::Text(n.to_string()));
        let (order, composed) = match kind {
            MetaKind::IndexTemplate => (&body["priority"], list(&body["composed_of"]).into()),
            _ => (&body["order"], Cell::None),
        };
        let order = match order.as_i64() {
            Some(order) => Cell::Text(order.to_string()),
            None => Cell::from("0"),
        };
        vec![
            name.into(),
            list(&body["index_patterns"]).into(),
            order,
            number(&body["version"]),
            composed,
        ]
    };
    state.matching(kind, wanted).map(row).collect()
}

const SEGMENTS: [Column; 14] = [
    shown("index", "i,idx", "index name"),
    shown("shard", "s,sh", "shard name"),
    shown("prirep", "p,pr,primaryOrReplica", "primary or replica"),
    shown("ip", "", "ip of node where it lives"),
    more("id", "", "unique id of node where it lives"),
    shown("segment", "seg", "segment name"),
    shown("generation", "g,gen", "segment generation"),
    shown("docs.count", "dc,docsCount", "number of docs in segment"),
    shown("docs.deleted", "dd,docsDeleted", "number of deleted docs in segment"),
    shown("size", "si", "segment size in bytes"),
    shown("size.memory", "sm,sizeMemory", "segment memory in bytes"),
    shown("committed", "ic,isCommitted", "is segment committed"),
    shown("searchable", "is,isSearchable", "is segment searched"),
    shown("compound", "ico,isCompound", "is segment compound"),
];

/// One row for each split and index: a split is shared.
fn segment_rows(api: &Api, call: &Call) -> Result<Rows, ApiError> {
    let snapshot = api.searcher.snapshot(&api.tenant());
    let indexes = Indexes::of(api, &snapshot);
    let found = indexes.resolve(&call.indexes, Lookup::about_all(&call.params)?)?;
    let mut rows = Vec::new();
    for split in &snapshot.splits {
        let meta = split.meta();
        let shown =
            |name: &str| found.contains_key(name) && !snapshot.is_index_deleted(split, name);
        for (name, docs) in meta.indexes.iter().filter(|(n, _)| shown(n.as_str())) {
            let share = u128::from(meta.object_bytes) * u128::from(*docs);
            let bytes = u64::try_from(share / u128::from(meta.docs.max(1))).unwrap_or(u64::MAX);
            rows.push(vec![
                name.as_str().into(),
                0.into(),
                "p".into(),
                api.node.ip().into(),
                api.node_id().into(),
                meta.id.as_str().into(),
                u64::from(meta.merges).into(),
                (*docs).into(),
                0.into(),
                Cell::Bytes(bytes),
                0.into(),
                "true".into(),
                "true".into(),
                "true".into(),
            ]);
        }
    }
    rows.sort_by_key(|row| row[0].print(&Default::default()));
    Ok(rows)
}

const THREADS: [Column; 8] = [
    shown("node_name", "nn", "node name"),
    more("node_id", "id", "persistent node id"),
    shown("name", "n", "thread pool name"),
    shown("active", "a", "number of active threads"),
    shown("queue", "q", "number of tasks currently in queue"),
    shown("rejected", "r", "number of rejected tasks"),
    more("size", "sz", "number of threads"),
    more("type", "t", "thread pool type"),
];

fn thread_rows(api: &Api, call: &Call) -> Rows {
    let wanted = call.part_list("name");
    let (running, waiting) = api.searcher.load();
    let row = |(name, active, queue): (&str, u64, u64)| {
        vec![
            api.settings.cluster_name.clone().into(),
            api.node_id().into(),
            name.into(),
            active.into(),
            queue.into(),
            0.into(),
            (platform::machine::now().cores as u64).into(),
            "fixed".into(),
        ]
    };
    [("search", running, waiting)]
        .into_iter()
        .filter(|(name, _, _)| wanted.is_empty() || wanted.iter().any(|w| glob(w, name)))
        .map(row)
        .collect()
}

const RECOVERY: [Column; 6] = [
    shown("index", "i,idx", "index name"),
    shown("shard", "s,sh", "shard name"),
    shown("time", "t,ti", "recovery time"),
    shown("type", "ty", "recovery type"),
    shown("stage", "st", "recovery stage"),
    shown("target_node", "tnode", "target node name"),
];
const PENDING: [Column; 4] = [
    shown("insertOrder", "o", "task insertion order"),
    shown("timeInQueue", "t", "how long task has been in queue"),
    shown("priority", "p", "task priority"),
    shown("source", "s", "task source"),
];
const TASKS: [Column; 8] = [
    shown("action", "ac", "task action"),
    shown("task_id", "ti", "unique task id"),
    shown("parent_task_id", "pti", "parent task id"),
    shown("type", "ty", "task type"),
    shown("start_time", "start", "start time in ms"),
    shown("timestamp", "ts,hms,hhmmss", "start time in HH:MM:SS"),
    shown("running_time", "time", "running time"),
    shown("node", "n", "node name"),
];
fn task_rows(api: &Api) -> Rows {
    let row = |(id, action, at): (String, &str, model::time::Timestamp)| {
        vec![
            action.into(),
            id.into(),
            "-".into(),
            "transport".into(),
            Cell::Text(at.millis().to_string()),
            at.rfc3339().get(11..19).unwrap_or_default().into(),
            Cell::Millis((api.now().millis() - at.millis()).max(0)),
            api.settings.cluster_name.clone().into(),
        ]
    };
    delete::running(api).into_iter().map(row).collect()
}

const ATTRIBUTES: [Column; 5] = [
    shown("node", "", "node name"),
    shown("host", "h", "host name"),
    shown("ip", "i", "ip address"),
    shown("attr", "attr.name", "attribute description"),
    shown("value", "attr.value", "attribute value"),
];
const FIELDDATA: [Column; 6] = [
    shown("id", "", "node id"),
    shown("host", "h", "host name"),
    shown("ip", "", "ip address"),
    shown("node", "n", "node name"),
    shown("field", "f", "field name"),
    shown("size", "s", "field data usage"),
];
const PLUGINS: [Column; 3] = [
    shown("name", "n", "node name"),
    shown("component", "c", "component"),
    shown("version", "v", "component version"),
];
