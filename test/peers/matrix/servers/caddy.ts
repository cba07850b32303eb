import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from '../../../runtimes/runtimes.js'
import { freePorts, missing, newFolder, start } from '../../../servers/program.js'
import type { Peer, Server, Setting } from '../peer.js'
import { reloading, versionOf } from './common.js'

const site = ({ folder, origin }: Setting) => `
  header x-generation generation-0
  encode gzip
  root * ${folder}
  @files path /text.txt /big.bin
  handle @files {
    file_server
  }
  handle /id {
    respond {query.n}
  }
  handle /empty {
    respond 204
  }
  handle /close {
    header connection close
    respond closed
  }
  handle /redirect {
    redir * /text.txt 302
  }
  handle /refuse {
    respond "too much" 413
  }
  handle {
    reverse_proxy 127.0.0.1:${origin} {
      flush_interval -1
    }
  }`

const configuration = (setting: Setting, part: { home: string; ports: readonly number[] }) => {
  const { folder } = setting
  const [plain, secure, mutual, short] = part.ports
  const block = (address: string, lines: string) => `${address} {\n  bind 127.0.0.1\n${lines}\n}\n`
  return `{
  admin unix/${part.home}/admin.sock
  auto_https off
  grace_period 1s
  storage file_system ${part.home}/storage
  servers {
    protocols h1
    max_header_size 16384
    timeouts {
      idle 60s
    }
  }
  servers 127.0.0.1:${short} {
    protocols h1
    timeouts {
      idle 200ms
    }
  }
}
${block(`http://:${plain}`, site(setting))}
${block(`http://:${short}`, site(setting))}
http:// {
  bind unix/${part.home}/caddy.sock
${site(setting)}
}
${block(`https://localhost:${secure}`, `  tls ${folder}/server.pem ${folder}/server.key\n${site(setting)}`)}
${block(`https://other.example:${secure}`, `  tls ${folder}/other.pem ${folder}/other.key\n${site(setting)}`)}
${block(
  `https://localhost:${mutual}`,
  `  tls ${folder}/server.pem ${folder}/server.key {
    client_auth {
      mode require_and_verify
      trusted_ca_cert_file ${folder}/ca.pem
    }
  }\n${site(setting)}`,
)}`
}

async function begin(setting: Setting): Promise<Peer> {
  const ports = await freePorts(4)
  const [plain, secure, mutual, short] = ports as [number, number, number, number]
  const home = newFolder()
  const file = join(home, 'Caddyfile')
  writeFileSync(file, configuration(setting, { home, ports }))
  const homes = [`HOME=${home}`, `XDG_CONFIG_HOME=${home}`, `XDG_DATA_HOME=${home}`]
  const program = await start(
    home,
    ['env', ...homes, 'caddy', 'run', '--config', file, '--adapter', 'caddyfile'],
    ports,
  )
  const address = ['--address', `unix/${home}/admin.sock`]
  return {
    version: await versionOf('caddy', 'version'),
    url: `http://127.0.0.1:${plain}`,
    secure: `https://localhost:${secure}`,
    mutual: `https://localhost:${mutual}`,
    short: `http://127.0.0.1:${short}`,
    socketPath: join(home, 'caddy.sock'),
    reload: reloading(file, async () => {
      const { code, stderr } = await run('caddy', ['reload', '--config', file, '--adapter', 'caddyfile', ...address])
      if (code !== 0) throw new Error(stderr)
    }),
    stop: program.stop,
  }
}

export const caddy: Server = {
  name: 'Caddy',
  headLimit: { bytes: 24_000, status: 431 },
  lacks: {
    'tunnels: CONNECT': 'it is no forward proxy',
    'keep-alive: three requests on each connection': 'it has no such limit',
    'answers: until the connection closes': 'it always puts the body in chunks',
  },
  missing: async () => missing('caddy'),
  start: begin,
}
