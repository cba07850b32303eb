import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { newFolder, type Program, start } from './program.js'

/** Starts nginx with the given `http` block; files are written beside its configuration first. */
export function nginx(part: {
  http: string
  stream?: string
  ports: readonly number[]
  files?: Record<string, string | Buffer>
  /** Whether to run a master with a worker that a reload replaces. As root, the worker stays root. Default: one process. */
  reloads?: boolean
}): Promise<Program> {
  const folder = newFolder()
  for (const [name, content] of Object.entries(part.files ?? {})) writeFileSync(join(folder, name), content)
  const module = '/usr/lib/nginx/modules/ngx_stream_module.so'
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${folder}/${name};`,
  )
  const processes = part.reloads === true ? `${process.getuid?.() === 0 ? 'user root;' : ''}` : 'master_process off;'
  writeFileSync(
    join(folder, 'nginx.conf'),
    `${part.stream === undefined ? '' : `load_module ${module};`}
    daemon off;
    ${processes}
    pid ${folder}/nginx.pid;
    error_log ${folder}/error.log;
    events { worker_connections 4096; }
    http { access_log off; ${temporary.join(' ')} ${part.http.replaceAll('FOLDER', folder)} }
    ${part.stream === undefined ? '' : `stream { ${part.stream} }`}`,
  )
  return start(folder, ['nginx', '-p', folder, '-c', join(folder, 'nginx.conf')], part.ports)
}
