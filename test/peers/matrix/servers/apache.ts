import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePorts, missing, newFolder, start } from '../../../servers/program.js'
import type { Peer, Server, Setting } from '../peer.js'
import { reloading, versionOf } from './common.js'

const MODULES = 'mpm_event authz_core mime headers env setenvif alias deflate filter rewrite proxy proxy_http'
const MORE = 'proxy_connect ssl socache_shmcb dir'

const site = ({ folder, origin }: Setting) => `
  DocumentRoot ${folder}
  Header always set x-generation generation-0
  SetEnvIf Request_URI ^/close$ nokeepalive
  SetEnvIf Request_URI ^/legacy$ downgrade-1.0 force-response-1.0
  AddType text/plain .txt
  AddOutputFilterByType DEFLATE text/plain
  <Location /text.txt>
    SetEnvIf Range .+ no-gzip
  </Location>
  RewriteEngine On
  RewriteRule ^/empty$ - [R=204,L]
  RewriteRule ^/refuse$ - [R=413,L]
  Redirect 302 /redirect /text.txt
  ProxyPass /text.txt !
  ProxyPass /big.bin !
  ProxyPass /empty !
  ProxyPass /refuse !
  ProxyPass /redirect !
  ProxyPass /legacy http://127.0.0.1:${origin}/chunks
  ProxyPass / http://127.0.0.1:${origin}/ upgrade=websocket flushpackets=on`

const configuration = (setting: Setting, part: { home: string; ports: readonly number[] }) => {
  const { folder } = setting
  const [plain, secure, mutual, short, connect] = part.ports
  const identity = (name: string) =>
    `SSLEngine on\nSSLCertificateFile ${folder}/${name}.pem\nSSLCertificateKeyFile ${folder}/${name}.key`
  const host = (port: number | undefined, lines: string) => `<VirtualHost 127.0.0.1:${port}>\n${lines}\n</VirtualHost>`
  return `
${`${MODULES} ${MORE}`
  .split(' ')
  .map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`)
  .join('\n')}
ServerRoot ${part.home}
DefaultRuntimeDir ${part.home}
PidFile ${part.home}/httpd.pid
ErrorLog ${part.home}/error.log
TypesConfig /dev/null
ServerName localhost
User www-data
Group www-data
StartServers 1
ServerLimit 16
ThreadsPerChild 25
MaxRequestWorkers 400
MinSpareThreads 25
MaxSpareThreads 75
KeepAliveTimeout 60
MaxKeepAliveRequests 0
SSLSessionCache shmcb:${part.home}/sessions(100000)
<Directory ${folder}>
  Require all granted
</Directory>
${part.ports.map((port) => `Listen 127.0.0.1:${port}`).join('\n')}
${host(plain, site(setting))}
${host(secure, `ServerName localhost\n${identity('server')}\n${site(setting)}`)}
${host(secure, `ServerName other.example\n${identity('other')}\n${site(setting)}`)}
${host(mutual, `${identity('server')}\nSSLCACertificateFile ${folder}/ca.pem\nSSLVerifyClient require\n${site(setting)}`)}
${host(short, `KeepAliveTimeout 200ms\nMaxKeepAliveRequests 3\n${site(setting)}`)}
${host(connect, `ProxyRequests On\nAllowCONNECT ${setting.echo}`)}
`
}

function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
  return Array.from(text.matchAll(/\d+/g), ([child]) => Number(child))
}

async function begin(setting: Setting): Promise<Peer> {
  const ports = await freePorts(5)
  const [plain, secure, mutual, short, connect] = ports as [number, number, number, number, number]
  const home = newFolder()
  // Started as root, it switches to another user first.
  chmodSync(home, 0o755)
  const file = join(home, 'httpd.conf')
  writeFileSync(file, configuration(setting, { home, ports }))
  const program = await start(home, ['apache2', '-DFOREGROUND', '-f', file], ports)
  return {
    version: await versionOf('apache2', '-v'),
    url: `http://127.0.0.1:${plain}`,
    secure: `https://localhost:${secure}`,
    mutual: `https://localhost:${mutual}`,
    short: `http://127.0.0.1:${short}`,
    connect: `http://127.0.0.1:${connect}`,
    // The signal of `apachectl graceful`.
    reload: reloading(file, () => void process.kill(program.pid, 'SIGUSR1')),
    stop: () => {
      const children = childrenOf(program.pid)
      const stopped = program.stop()
      // Apache would wait seconds for threads with open tunnels.
      for (const child of children) {
        try {
          process.kill(child, 'SIGKILL')
        } catch {
          // The process had exited already.
        }
      }
      return stopped
    },
  }
}

export const apache: Server = {
  name: 'Apache',
  headLimit: { bytes: 24_000, status: 400 },
  lacks: {
    'unix socket: concurrent requests': 'it listens on TCP only',
    'answers: trailers': 'its proxy passes none',
  },
  defects: {
    'conditions: a range beyond the end': {
      error: /undefined\n- 'bytes \*\/5500'/,
      because:
        'its 416 of a file has no content-range, as it should (RFC 9110, 15.5.17): curl -i -r 900000- http://localhost/text.txt',
    },
  },
  missing: async () => missing('apache2', ['apache2-bin']),
  start: begin,
}
