// An EHR's authorization server by npm's oidc-provider (not ours), with the little that SMART adds: the launch's context in the
// token's answer, fhirUser in the ID token, and a Patient to read. Usage: node launch_provider.mjs MODULES REDIRECT_URI NUMBER
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [modules, redirect, number] = process.argv.slice(2);
const at = createRequire(`${modules}/node_modules/`).resolve("oidc-provider");
const { default: Provider } = await import(pathToFileURL(at));

const server = createServer();
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
const address = `http://127.0.0.1:${server.address().port}`;
const base = `${address}/fhir`;
const provider = new Provider(address, {
  clients: [{ client_id: "bridge-app", client_secret: "a-secret-of-the-app", redirect_uris: [redirect], grant_types: ["authorization_code"], response_types: ["code"], scope: "openid launch fhirUser patient/Patient.r patient/ImagingStudy.r" }],
  scopes: ["openid", "launch", "fhirUser", "patient/Patient.r", "patient/ImagingStudy.r"],
  claims: { openid: ["sub"], fhirUser: ["fhirUser"] },
  conformIdTokenClaims: false,
  extraParams: ["launch", "aud"],
  pkce: { required: () => true },
  cookies: { keys: ["only-for-tests"] },
  features: { devInteractions: { enabled: false }, resourceIndicators: { enabled: false } },
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, fhirUser: `${base}/Practitioner/7` }) }),
});
provider.use(async (context, next) => {
  await next();
  if (context.oidc?.route === "token" && context.status === 200) context.body.patient = "p1";
});

async function interact(request, response) {
  const { prompt, params } = await provider.interactionDetails(request, response);
  if (prompt.name === "login") return provider.interactionFinished(request, response, { login: { accountId: "u-7" } });
  const grant = new provider.Grant({ accountId: "u-7", clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  return provider.interactionFinished(request, response, { consent: { grantId: await grant.save() } });
}

async function read(request, response) {
  const token = await provider.AccessToken.find((request.headers.authorization ?? "").replace("Bearer ", ""));
  const patient = { resourceType: "Patient", id: "p1", identifier: [{ system: "urn:imaging-bridge:authority:RIVERSIDE", value: number }] };
  const found = token && request.url === "/fhir/Patient/p1";
  response.writeHead(found ? 200 : token ? 404 : 401, { "Content-Type": "application/fhir+json" });
  response.end(JSON.stringify(found ? patient : { resourceType: "OperationOutcome" }));
}

const configuration = JSON.stringify({
  issuer: address,
  authorization_endpoint: `${address}/auth`,
  token_endpoint: `${address}/token`,
  jwks_uri: `${address}/jwks`,
  code_challenge_methods_supported: ["S256"],
  capabilities: ["launch-ehr", "context-ehr-patient", "sso-openid-connect", "permission-v2"],
});
const answer = provider.callback();
server.on("request", (request, response) => {
  if (request.url === "/fhir/.well-known/smart-configuration") {
    response.writeHead(200, { "Content-Type": "application/json" });
    response.end(configuration);
  } else if (request.url.startsWith("/fhir/")) read(request, response);
  else if (request.url.startsWith("/interaction/")) interact(request, response);
  else answer(request, response);
});
console.log(`listening ${base}`);
