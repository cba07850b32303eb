import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from '../../../runtimes/runtimes.js'
import { freePorts, missing, newFolder, start } from '../../../servers/program.js'
import type { Peer, Server, Setting } from '../peer.js'
import { reloading, versionOf } from './common.js'

const configuration = ({ origin }: Setting) => `vcl 4.1;
backend origin { .host = "127.0.0.1"; .port = "${origin}"; }
sub vcl_recv {
  if (req.method == "CONNECT" || req.http.upgrade == "websocket") { return (pipe); }
  if (req.http.x-short) { set sess.timeout_idle = 0.2s; }
  if (req.url == "/empty") { return (synth(204)); }
  if (req.url == "/refuse") { return (synth(413)); }
  if (req.url == "/redirect") { return (synth(302)); }
  if (req.url == "/text.txt" && (req.method == "GET" || req.method == "HEAD")) { return (hash); }
  return (pass);
}
sub vcl_pipe {
  if (req.http.upgrade) {
    set bereq.http.upgrade = req.http.upgrade;
    set bereq.http.connection = req.http.connection;
  }
}
sub vcl_backend_response {
  if (bereq.url == "/text.txt") { set beresp.do_gzip = true; }
}
sub vcl_synth {
  set resp.http.x-generation = "generation-0";
  if (resp.status == 302) { set resp.http.location = "/text.txt"; }
  set resp.body = "";
  return (deliver);
}
sub vcl_deliver {
  set resp.http.x-generation = "generation-0";
  if (req.url == "/close") { set resp.http.connection = "close"; }
}
`

async function begin(setting: Setting): Promise<Peer> {
  const [plain] = (await freePorts(1)) as [number]
  const home = newFolder()
  chmodSync(home, 0o755)
  const file = join(home, 'default.vcl')
  writeFileSync(file, configuration(setting))
  const socketPath = join(home, 'varnish.sock')
  const where = ['-n', join(home, 'state')]
  const listen = ['-a', `127.0.0.1:${plain}`, '-a', socketPath]
  const flags = ['-F', '-j', 'none', '-s', 'malloc,32m', '-f', file]
  const program = await start(home, ['varnishd', ...where, ...listen, ...flags], [plain])
  const command = async (...words: string[]) => {
    const { code, stderr } = await run('varnishadm', [...where, ...words])
    if (code !== 0) throw new Error(stderr)
  }
  let loaded = 0
  const url = `http://127.0.0.1:${plain}`
  return {
    version: await versionOf('varnishd', '-V'),
    url,
    short: url,
    socketPath,
    connect: url,
    reload: reloading(file, async () => {
      loaded++
      await command('vcl.load', `next${loaded}`, file)
      await command('vcl.use', `next${loaded}`)
    }),
    stop: program.stop,
  }
}

const NO_TLS = 'it has no TLS of its own'

export const varnish: Server = {
  name: 'Varnish',
  headLimit: { bytes: 24_000, status: 400 },
  lacks: {
    'TLS: 1.2': NO_TLS,
    'TLS: 1.3': NO_TLS,
    'TLS: sessions of 1.2 are resumed': NO_TLS,
    'TLS: sessions of 1.3 are resumed': NO_TLS,
    'TLS: a certificate by server name (SNI)': NO_TLS,
    'TLS: a client certificate': NO_TLS,
    'TLS: an unknown CA is rejected': NO_TLS,
    'keep-alive: three requests on each connection': 'it has no such limit',
    'conditions: precondition failed': 'a cache may ignore If-Match (RFC 9110, 13.1.1)',
    'answers: until the connection closes': 'it always puts the body in chunks',
    'answers: trailers': 'it understands none',
  },
  defects: {
    'answers: with trailers': {
      error: /503 !== 200|ended within a chunked body/,
      because:
        'it takes trailers of its origin for a broken body, and answers 503 or cuts it off (RFC 9112, 7.1): ' +
        'printf "HTTP/1.1 200 OK\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n1\\r\\na\\r\\n0\\r\\nx: y\\r\\n\\r\\n" | nc -l 8080',
    },
  },
  missing: async () => missing('varnishd', ['varnish']),
  start: begin,
}
