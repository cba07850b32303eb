import { join } from 'node:path'
import { nginx as start } from '../../../servers/nginx.js'
import { freePorts, missing } from '../../../servers/program.js'
import type { Peer, Server, Setting } from '../peer.js'
import { reloading, versionOf } from './common.js'

const configuration = (setting: Setting, [plain, secure, mutual, short]: readonly number[]) => {
  const { folder: shared, origin } = setting
  const proxy = `proxy_pass http://127.0.0.1:${origin}; proxy_http_version 1.1; proxy_read_timeout 60s;`
  const locations = `
    root ${shared}; client_max_body_size 20m; add_header x-generation generation-0 always;
    location = /text.txt { }
    location = /big.bin { }
    location = /id { default_type text/plain; return 200 $arg_n; }
    location = /empty { return 204; }
    location = /close { keepalive_timeout 0; default_type text/plain; return 200 closed; }
    location = /redirect { return 302 /text.txt; }
    location = /refuse { client_max_body_size 1k; ${proxy} }
    location = /digest { proxy_request_buffering off; ${proxy} }
    location = /legacy { chunked_transfer_encoding off; proxy_pass http://127.0.0.1:${origin}/chunks; }
    location = /websocket { proxy_set_header upgrade $http_upgrade; proxy_set_header connection upgrade; ${proxy} }
    location / { proxy_buffering off; ${proxy} }`
  const tls = 'ssl_session_cache shared:sessions:1m; ssl_protocols TLSv1.2 TLSv1.3;'
  const identity = (name: string) => `ssl_certificate ${shared}/${name}.pem; ssl_certificate_key ${shared}/${name}.key;`
  return `
    types { text/plain txt; }
    gzip on; gzip_min_length 10; gzip_types text/plain; keepalive_requests 100000; keepalive_timeout 60s; ${tls}
    server { listen 127.0.0.1:${plain}; listen unix:FOLDER/nginx.sock; ${locations} }
    server { listen 127.0.0.1:${secure} ssl default_server; server_name localhost; ${identity('server')} ${locations} }
    server { listen 127.0.0.1:${secure} ssl; server_name other.example; ${identity('other')} ${locations} }
    server { listen 127.0.0.1:${mutual} ssl; ssl_client_certificate ${shared}/ca.pem; ssl_verify_client on;
      ${identity('server')} ${locations} }
    server { listen 127.0.0.1:${short}; keepalive_requests 3; keepalive_timeout 200ms;
      location / { default_type text/plain; return 200 $connection; } }`
}

async function begin(setting: Setting): Promise<Peer> {
  const ports = await freePorts(4)
  const [plain, secure, mutual, short] = ports as [number, number, number, number]
  const program = await start({ ports, http: configuration(setting, ports), reloads: true })
  return {
    version: await versionOf('nginx', '-v'),
    url: `http://127.0.0.1:${plain}`,
    secure: `https://localhost:${secure}`,
    mutual: `https://localhost:${mutual}`,
    short: `http://127.0.0.1:${short}`,
    socketPath: join(program.folder, 'nginx.sock'),
    reload: reloading(join(program.folder, 'nginx.conf'), () => void process.kill(program.pid, 'SIGHUP')),
    stop: program.stop,
  }
}

export const nginx: Server = {
  name: 'nginx',
  headLimit: { bytes: 24_000, status: 400 },
  lacks: {
    'answers: trailers': 'its proxy passes none before 1.27.2',
    'tunnels: CONNECT': 'it is no forward proxy',
  },
  missing: async () => missing('nginx', ['nginx', 'libnginx-mod-stream']),
  start: begin,
}
