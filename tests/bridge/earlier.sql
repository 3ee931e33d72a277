BEGIN TRANSACTION;
CREATE TABLE _headwater_runs (flow TEXT PRIMARY KEY, run TEXT NOT NULL);
INSERT INTO "_headwater_runs" VALUES('hub_db','3c475bed0cb50042');
CREATE TABLE _headwater_state (
    flow TEXT NOT NULL, namespace TEXT NOT NULL, stream TEXT NOT NULL, type TEXT NOT NULL,
    state TEXT NOT NULL, PRIMARY KEY (flow, type, namespace, stream));
INSERT INTO "_headwater_state" VALUES('hub_db','','issues','STREAM','{"type":"STREAM","stream":{"stream_descriptor":{"name":"issues"},"stream_state":{"at":3}}}');
INSERT INTO "_headwater_state" VALUES('hub_db','ns','log','STREAM','{"type":"STREAM","stream":{"stream_descriptor":{"name":"log","namespace":"ns"},"stream_state":{"at":1}}}');
CREATE TABLE _headwater_tables (
    table_name TEXT PRIMARY KEY COLLATE NOCASE, namespace TEXT NOT NULL, stream TEXT NOT NULL,
    generation INTEGER NOT NULL, UNIQUE (namespace, stream));
INSERT INTO "_headwater_tables" VALUES('issues','','issues',0);
INSERT INTO "_headwater_tables" VALUES('ns__log','ns','log',0);
CREATE TABLE _headwater_unsettled (
    batch TEXT PRIMARY KEY, flow TEXT NOT NULL, run TEXT NOT NULL, namespace TEXT NOT NULL,
    stream TEXT NOT NULL);
INSERT INTO "_headwater_unsettled" VALUES('7e5b98e6148a0fbc','hub_db','3c475bed0cb50042','ns','log');
CREATE TABLE "issues" ("_airbyte_raw_id" TEXT NOT NULL, "_airbyte_extracted_at" INTEGER NOT NULL, "_airbyte_generation_id" INTEGER NOT NULL, "_airbyte_meta" TEXT NOT NULL, "id" INTEGER, "ID_11d3633a" INTEGER, "num" REAL, "at" TEXT, "day" TEXT, "big" INTEGER, "blob" BLOB, "user" JSON TEXT, "mixed", "later" JSON TEXT, "wide");
INSERT INTO "issues" VALUES('9f79ab4a621f47b600000000',1000,0,'{"changes":[]}',1,-1,0.5,'2024-01-01T00:00:00Z','2024-01-01',4611686018427387904,X'00FF','{"id":1}','007','[1]',1);
INSERT INTO "issues" VALUES('9f79ab4a621f47b600000001',1000,0,'{"changes":[]}',2,-2,1.0,'2024-01-02T00:00:00Z','2024-01-01',4611686018427387904,X'00FF','{"id":2}','007','[2]','x');
INSERT INTO "issues" VALUES('9f79ab4a621f47b600000002',1000,0,'{"changes":[]}',3,-3,1.5,'2024-01-03T00:00:00Z','2024-01-01',4611686018427387904,X'00FF','{"id":3}','007','[3]',3);
CREATE TABLE "ns__log" ("_airbyte_raw_id" TEXT NOT NULL, "_airbyte_extracted_at" INTEGER NOT NULL, "_airbyte_generation_id" INTEGER NOT NULL, "_airbyte_meta" TEXT NOT NULL, "n" INTEGER);
INSERT INTO "ns__log" VALUES('22cd2f3aff5a2cce00000000',1000,0,'{"changes":[]}',1);
INSERT INTO "ns__log" VALUES('7e5b98e6148a0fbc00000000',2000,0,'{"changes":[]}',2);
CREATE UNIQUE INDEX "_headwater_key_3b7bc07aa956e7df" ON "issues" (json_extract("user", '$."id"'));
COMMIT;
