"""elasticsearch-py 7.10.1, the last without a product check: what ElastAlert2 and older programs use."""

from elasticsearch import Elasticsearch, NotFoundError, RequestError, helpers

from common import check, documents, raises, run


def bulk(url):
    client, index = Elasticsearch([url]), "py7-bulk"
    check(helpers.bulk(client, documents(index, 1200, op="index"), refresh=True), (1200, []))
    check(client.count(index=index)["count"], 1200)
    check(client.count(index=index, body={"query": {"term": {"level": "error"}}})["count"], 400)


def search(url):
    client, index = Elasticsearch([url]), "py7-search"
    helpers.bulk(client, documents(index, 30), refresh=True)
    found = client.search(
        index=index, body={"query": {"match": {"message": "disk"}}, "sort": [{"n": "desc"}]}, size=2, _source_includes=["n"], ignore_unavailable=True
    )
    check(found["hits"]["total"]["value"], 30)
    check([hit["_source"] for hit in found["hits"]["hits"]], [{"n": 29}, {"n": 28}])
    check(client.info()["version"]["number"].split(".")[0] >= "7", True)
    check(client.indices.exists(index), True)
    check(client.indices.exists("py7-none"), False)


def errors(url):
    client = Elasticsearch([url])
    helpers.bulk(client, documents("py7-errors", 1), refresh=True)
    error = raises(NotFoundError, lambda: client.search(index="py7-none"))
    check((error.status_code, error.error), (404, "index_not_found_exception"))
    error = raises(RequestError, lambda: client.search(index="py7-errors", body={"query": {"nonsense": {}}}))
    check((error.status_code, error.error), (400, "parsing_exception"))
    check(error.info["error"]["root_cause"][0]["reason"], "unknown query [nonsense]")


def scan(url):
    client, index = Elasticsearch([url]), "py7-scan"
    helpers.bulk(client, documents(index, 2500), refresh=True)
    found = helpers.scan(client, index=index, query={"query": {"match_all": {}}}, size=1000)
    check(sorted(hit["_source"]["n"] for hit in found), list(range(2500)))


run([bulk, search, errors, scan])
