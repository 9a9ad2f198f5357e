"""elasticsearch-py 8 and 9: the helpers, searches, errors and metadata that log programs use."""

import asyncio

import elasticsearch
from elasticsearch import AsyncElasticsearch, Elasticsearch, helpers

from common import START_MS, check, documents, raises, run

MAJOR = elasticsearch.VERSION[0] if hasattr(elasticsearch, "VERSION") else int(elasticsearch.__versionstr__.split(".")[0])


def name(case):
    return f"py{MAJOR}-{case}"


def product(url):
    client = Elasticsearch(url)
    check(client.ping(), True, "ping")
    info = client.info()
    check(info["tagline"], "You Know, for Search")
    check(info.meta.headers["x-elastic-product"], "Elasticsearch")
    check(client.cluster.health(wait_for_status="yellow", timeout="30s")["timed_out"], False)


def bulk(url):
    client, index = Elasticsearch(url), name("bulk")
    done, errors = helpers.bulk(client, documents(index, 1200), refresh=True)
    check((done, errors), (1200, []))
    check(client.count(index=index)["count"], 1200)
    check(client.count(index=index, query={"term": {"level": "error"}})["count"], 400)


def streaming_bulk(url):
    client, index = Elasticsearch(url), name("streaming")
    answers = list(helpers.streaming_bulk(client, documents(index, 30), chunk_size=7))
    check([ok for ok, _ in answers], [True] * 30)
    check(sorted(int(item["create"]["_id"]) for _, item in answers), list(range(30)))


def parallel_bulk(url):
    client, index = Elasticsearch(url), name("parallel")
    answers = list(helpers.parallel_bulk(client, documents(index, 300), thread_count=4, chunk_size=20))
    check(sum(ok for ok, _ in answers), 300)
    check(client.count(index=index)["count"], 300)


def compressed_bulk(url):
    client, index = Elasticsearch(url, http_compress=True), name("compressed")
    check(helpers.bulk(client, documents(index, 100), refresh=True)[0], 100)
    found = client.search(index=index, size=100)
    check(len(found["hits"]["hits"]), 100)


def bulk_errors(url):
    client, index = Elasticsearch(url), name("bulk-errors")
    actions = list(documents(index, 3))
    actions[1]["_index"] = "Upper"
    error = raises(helpers.BulkIndexError, lambda: helpers.bulk(client, actions))
    check(len(error.errors), 1)
    check(error.errors[0]["create"]["status"], 400)
    check(error.errors[0]["create"]["error"]["type"], "invalid_index_name_exception")


def search(url):
    client, index = Elasticsearch(url), name("search")
    helpers.bulk(client, documents(index, 30), refresh=True)
    found = client.search(
        index=index,
        query={"bool": {"filter": [{"term": {"level": "warn"}}, {"range": {"n": {"gte": 10}}}]}},
        sort=[{"@timestamp": {"order": "desc"}}],
        size=3,
        source=["n"],
        aggs={"levels": {"terms": {"field": "level"}}},
        track_total_hits=True,
    )
    check(found["hits"]["total"], {"value": 7, "relation": "eq"})
    check([hit["_source"] for hit in found["hits"]["hits"]], [{"n": 28}, {"n": 25}, {"n": 22}])
    check(found["aggregations"]["levels"]["buckets"], [{"key": "warn", "doc_count": 7}])
    after = found["hits"]["hits"][-1]["sort"]
    found = client.search(index=index, sort=[{"@timestamp": "desc"}], search_after=after, size=1)
    check(found["hits"]["hits"][0]["_source"]["n"], 21)
    many = client.msearch(searches=[{"index": index}, {"size": 0}, {"index": "py-none"}, {"size": 0}])
    check([answer["status"] for answer in many["responses"]], [200, 404])
    caps = client.field_caps(index=index, fields="*")["fields"]
    check(caps["level"]["keyword"]["aggregatable"], True)


def errors(url):
    client, index = Elasticsearch(url), name("errors")
    helpers.bulk(client, documents(index, 1), refresh=True)
    error = raises(elasticsearch.NotFoundError, lambda: client.search(index=name("none")))
    check((error.status_code, error.error), (404, "index_not_found_exception"))
    error = raises(elasticsearch.BadRequestError, lambda: client.search(index=index, query={"nonsense": {}}))
    check((error.status_code, error.error), (400, "parsing_exception"))
    check(error.body["error"]["root_cause"][0]["reason"], "unknown query [nonsense]")
    check(client.options(ignore_status=404).search(index=name("none")).meta.status, 404)


def conflict(url):
    client, index = Elasticsearch(url), name("conflict")
    client.create(index=index, id="1", document={"@timestamp": START_MS}, refresh=True)
    again = lambda: client.create(index=index, id="1", document={"@timestamp": START_MS})
    error = raises(elasticsearch.ConflictError, again)
    check(error.error, "version_conflict_engine_exception")


def scan(url):
    client, index = Elasticsearch(url), name("scan")
    helpers.bulk(client, documents(index, 2500), refresh=True)
    found = helpers.scan(client, index=index, query={"query": {"range": {"n": {"gte": 100}}}}, size=500)
    check(sorted(hit["_source"]["n"] for hit in found), list(range(100, 2500)))


def pit(url):
    client, index = Elasticsearch(url), name("pit")
    helpers.bulk(client, documents(index, 250), refresh=True)
    pit = client.open_point_in_time(index=index, keep_alive="1m")["id"]
    seen, after = [], None
    while True:
        found = client.search(
            pit={"id": pit, "keep_alive": "1m"}, size=100, sort=[{"@timestamp": "asc"}, {"_shard_doc": "asc"}], search_after=after
        )
        pit, hits = found["pit_id"], found["hits"]["hits"]
        if not hits:
            break
        seen += [hit["_source"]["n"] for hit in hits]
        after = hits[-1]["sort"]
        helpers.bulk(client, [{"_index": index, "@timestamp": START_MS + 10**9, "n": -1}])
    check(seen, list(range(250)))
    check(client.close_point_in_time(id=pit)["succeeded"], True)


def documents_by_id(url):
    client, index = Elasticsearch(url), name("documents")
    done = client.index(index=index, id="1", document={"@timestamp": START_MS, "n": 1}, refresh=True)
    check((done["result"], done.meta.status), ("created", 201))
    check(client.get(index=index, id="1")["_source"]["n"], 1)
    check(client.get_source(index=index, id="1")["n"], 1)
    check(bool(client.exists(index=index, id="1")), True)
    check(bool(client.exists(index=index, id="2")), False)
    error = raises(elasticsearch.NotFoundError, lambda: client.get(index=index, id="2"))
    check(error.body["found"], False)
    check([doc["found"] for doc in client.mget(index=index, ids=["1", "2"])["docs"]], [True, False])


def metadata(url):
    client, index = Elasticsearch(url), name("metadata")
    template = {"mappings": {"properties": {"level": {"type": "keyword"}}}, "settings": {"number_of_shards": 1}}
    check(bool(client.indices.exists_index_template(name=index)), False)
    client.indices.put_index_template(name=index, index_patterns=[f"{index}*"], template=template)
    check(bool(client.indices.exists_index_template(name=index)), True)
    got = client.indices.get_index_template(name=index)["index_templates"][0]
    check(got["index_template"]["index_patterns"], [f"{index}*"])
    check(client.indices.create(index=f"{index}-1")["acknowledged"], True)
    check(bool(client.indices.exists(index=f"{index}-1")), True)
    error = raises(elasticsearch.BadRequestError, lambda: client.indices.create(index=f"{index}-1"))
    check(error.error, "resource_already_exists_exception")
    client.indices.put_alias(index=f"{index}-1", name=f"{index}-alias")
    check(list(client.indices.get_alias(name=f"{index}-alias")), [f"{index}-1"])
    check(client.indices.get_mapping(index=f"{index}-1")[f"{index}-1"]["mappings"]["properties"]["level"]["type"], "keyword")
    policy = {"phases": {"hot": {"actions": {}}, "delete": {"min_age": "30d", "actions": {"delete": {}}}}}
    client.ilm.put_lifecycle(name=index, policy=policy)
    check(client.ilm.get_lifecycle(name=index)[index]["policy"]["phases"]["delete"]["min_age"], "30d")
    client.ingest.put_pipeline(id=index, processors=[{"set": {"field": "a", "value": 1}}])
    check(list(client.ingest.get_pipeline(id=index)), [index])


def delete_index(url):
    client, index = Elasticsearch(url), name("delete")
    helpers.bulk(client, documents(index, 10), refresh=True)
    check(client.indices.delete(index=index)["acknowledged"], True)
    check(bool(client.indices.exists(index=index)), False)
    raises(elasticsearch.NotFoundError, lambda: client.indices.delete(index=index))


def delete_by_query(url):
    client, index = Elasticsearch(url), name("erase")
    helpers.bulk(client, documents(index, 30), refresh=True)
    done = client.delete_by_query(index=index, query={"term": {"level": "warn"}}, refresh=True)
    check((done["deleted"], done["failures"]), (10, []))
    check(client.count(index=index)["count"], 20)


def sniff(url):
    client = Elasticsearch(url, sniff_on_start=True)
    check(client.ping(), True)


def cat(url):
    client, index = Elasticsearch(url), name("cat")
    helpers.bulk(client, documents(index, 3), refresh=True)
    rows = client.cat.indices(index=index, format="json", h="index,docs.count")
    check(list(rows), [{"index": index, "docs.count": "3"}])
    check(str(client.cat.indices(index=index, h="index,docs.count")).split(), [index, "3"])


def async_search(url):
    client, index = Elasticsearch(url), name("async-search")
    helpers.bulk(client, documents(index, 30), refresh=True)
    found = client.async_search.submit(
        index=index, size=0, aggs={"l": {"terms": {"field": "level"}}}, keep_on_completion=True, wait_for_completion_timeout="10s"
    )
    check((found["is_running"], found["is_partial"]), (False, False))
    check(found["response"]["hits"]["total"]["value"], 30)
    check(client.async_search.get(id=found["id"])["response"]["hits"]["total"]["value"], 30)
    check(client.async_search.delete(id=found["id"])["acknowledged"], True)
    raises(elasticsearch.NotFoundError, lambda: client.async_search.get(id=found["id"]))


def esql(url):
    client, index = Elasticsearch(url), name("esql")
    helpers.bulk(client, documents(index, 30), refresh=True)
    found = client.esql.query(query=f'FROM {index} | WHERE n >= 10 | STATS c = COUNT(*) BY level | SORT level')
    check([column["name"] for column in found["columns"]], ["c", "level"])
    check(found["values"], [[6, "error"], [7, "info"], [7, "warn"]])


def sql(url):
    client, index = Elasticsearch(url), name("sql")
    helpers.bulk(client, documents(index, 30), refresh=True)
    found = client.sql.query(query=f'SELECT level, COUNT(*) AS c FROM "{index}" WHERE n >= 10 GROUP BY level ORDER BY level')
    check(found["rows"], [["error", 6], ["info", 7], ["warn", 7]])


def asynchronous(url):
    async def case():
        index = name("asynchronous")
        async with AsyncElasticsearch(url) as client:
            check(await client.ping(), True)
            done, errors = await helpers.async_bulk(client, documents(index, 700), refresh=True)
            check((done, errors), (700, []))
            found = await asyncio.gather(*(client.count(index=index, query={"term": {"n": n}}) for n in range(20)))
            check([answer["count"] for answer in found], [1] * 20)

    asyncio.run(case())


def asynchronous_scan(url):
    async def case():
        index = name("asynchronous-scan")
        async with AsyncElasticsearch(url) as client:
            await helpers.async_bulk(client, documents(index, 700), refresh=True)
            found = [hit["_source"]["n"] async for hit in helpers.async_scan(client, index=index, size=200)]
            check(sorted(found), list(range(700)))

    asyncio.run(case())


run([
    product, bulk, streaming_bulk, parallel_bulk, compressed_bulk, bulk_errors, search, errors, conflict, scan, pit,
    documents_by_id, metadata, delete_index, delete_by_query, sniff, cat, async_search, esql, sql, asynchronous, asynchronous_scan,
])
