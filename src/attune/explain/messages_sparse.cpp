#include "attune/explain/messages.h"

namespace attune::explain {

std::span<const Message> sparse_messages() {
  static constexpr Message table[]{
      {"title.local", "Sliding-window attention (Longformer), every number",
       "Attention cửa sổ trượt (Longformer): từng con số", "Внимание в скользящем окне (Longformer): каждое число"},
      {"title.sparse", "Sparse attention (Sparse Transformer), every number",
       "Attention thưa (Sparse Transformer): từng con số", "Разреженное внимание (Sparse Transformer): каждое число"},
      {"title.bigbird", "Block-sparse attention (BigBird), every number",
       "Attention thưa theo khối (BigBird): từng con số", "Блочно-разреженное внимание (BigBird): каждое число"},
      {"pattern.window",
       "The pattern: 1 where a token's query meets another's key. A token sees {0} to each side, {1} apart, and the "
       "global tokens. Cells with 0 are never computed, so that the cost grows with the ones alone.",
       "Mẫu che: số 1 ở chỗ truy vấn của một token gặp khoá của token khác. Mỗi token thấy {0} token ở mỗi bên, cách "
       "nhau {1}, và các token toàn cục. Các ô 0 không hề được tính, nên chi phí chỉ tăng theo số ô 1.",
       "Шаблон: 1 там, где запрос токена встречает ключ другого. Токен видит {0} с каждой стороны с шагом {1} и "
       "глобальные токены. Ячейки с 0 не вычисляются вовсе, так что цена растёт лишь с числом единиц."},
      {"pattern.strided",
       "The pattern of each head: even heads see the last {0} tokens, odd heads every {0}-th one. In two layers "
       "everything reaches everything. Cells with 0 are never computed.",
       "Mẫu che của từng đầu: đầu chẵn thấy {0} token gần nhất, đầu lẻ thấy mỗi token thứ {0}. Qua hai tầng, mọi token "
       "đều tới được nhau. Các ô 0 không hề được tính.",
       "Шаблон каждой головы: чётные видят последние {0} токенов, нечётные — каждый {0}-й. За два слоя всё доходит до "
       "всего. Ячейки с 0 не вычисляются."},
      {"pattern.fixed",
       "The pattern of each head: even heads see their own stretch of {0} tokens, odd heads the last {1} of every "
       "stretch, which sum it up. Cells with 0 are never computed.",
       "Mẫu che của từng đầu: đầu chẵn thấy đoạn {0} token chứa mình, đầu lẻ thấy {1} token cuối của mỗi đoạn, những "
       "token tóm lược đoạn đó. Các ô 0 không hề được tính.",
       "Шаблон каждой головы: чётные видят свой отрезок из {0} токенов, нечётные — последние {1} каждого отрезка, "
       "которые его обобщают. Ячейки с 0 не вычисляются."},
      {"pattern.bigbird",
       "The pattern, in blocks of {0}: {1} blocks around a token's own, {2} global ones that see and are seen by all, "
       "and {3} random ones. Cells with 0 are never computed.",
       "Mẫu che, theo khối {0} token: {1} khối quanh khối của token, {2} khối toàn cục thấy và được thấy bởi tất cả, "
       "và "
       "{3} khối ngẫu nhiên. Các ô 0 không hề được tính.",
       "Шаблон в блоках по {0}: {1} вокруг собственного блока токена, {2} глобальных, которые видят всех и видны всем, "
       "и {3} случайных. Ячейки с 0 не вычисляются."},
      {"pattern.random",
       "The random blocks of each block of queries, counted from 1 to {0}: drawn from the seed, the head and the block "
       "alone, among those that are neither global nor in the window.",
       "Các khối ngẫu nhiên của từng khối truy vấn, đánh số từ 1 đến {0}: chỉ rút theo hạt giống, đầu và khối, trong "
       "số các khối không toàn cục và không nằm trong cửa sổ.",
       "Случайные блоки каждого блока запросов, номера от 1 до {0}: жребий зависит только от зерна, головы и блока и "
       "бросается среди тех, что не глобальны и не входят в окно."},
      {"global.X", "The global tokens' rows. Their rows of P are empty: they read with projections of their own.",
       "Các hàng của token toàn cục. Hàng của chúng trong P để trống: chúng đọc bằng các phép chiếu riêng.",
       "Строки глобальных токенов. Их строки в P пусты: они читают через собственные проекции."},
      {"global.W",
       "The same kind of weights for what global tokens read, learnt by themselves; a training begins with copies of "
       "the ordinary ones.",
       "Trọng số cùng loại cho phần mà token toàn cục đọc, được học riêng; việc học bắt đầu từ bản sao của trọng số "
       "thường.",
       "Такие же веса для того, что читают глобальные токены; обучаются отдельно, начиная с копий обычных."},
      {"global.Q", "The queries of the global tokens.", "Truy vấn của các token toàn cục.",
       "Запросы глобальных токенов."},
      {"global.K", "The keys that they compare with: of all tokens.", "Khoá mà chúng so sánh: của mọi token.",
       "Ключи, с которыми они сравниваются: всех токенов."},
      {"global.V", "The values that they mix: of all tokens.", "Giá trị mà chúng trộn: của mọi token.",
       "Значения, которые они смешивают: всех токенов."},
      {"global.S", "The scores of the global tokens' queries: they see the whole sequence.",
       "Điểm số của các truy vấn toàn cục: chúng thấy cả câu.",
       "Оценки запросов глобальных токенов: они видят всю последовательность."},
      {"global.P", "Their weights, over all tokens.", "Trọng số của chúng, trên mọi token.",
       "Их веса по всем токенам."},
      {"global.O",
       "The output: a token mixes the values that its window and the global tokens offer, in one softmax; a global "
       "token (g) mixes the values of its own projection.",
       "Đầu ra: mỗi token trộn các giá trị trong cửa sổ của nó và của token toàn cục, trong cùng một softmax; token "
       "toàn cục (g) trộn các giá trị từ phép chiếu riêng của nó.",
       "Выход: токен смешивает значения своего окна и глобальных токенов в одном softmax; глобальный (g) — значения "
       "собственной проекции."},
      {"global.dV", "These values receive the gradients of the global tokens' outputs alone.",
       "Các giá trị này chỉ nhận gradient từ đầu ra của token toàn cục.",
       "Эти значения получают градиенты лишь от выходов глобальных токенов."},
      {"global.dX_q", "To the global tokens' rows, through their queries; the other rows asked nothing here.",
       "Về các hàng của token toàn cục, qua truy vấn của chúng; các hàng khác không hỏi gì ở đây.",
       "К строкам глобальных токенов через их запросы; остальные строки здесь ничего не спрашивали."},
      {"global.dX_k", "To all tokens, through the keys that global tokens compared with.",
       "Về mọi token, qua các khoá mà token toàn cục đã so sánh.",
       "Ко всем токенам через ключи, с которыми сравнивались глобальные."},
      {"global.dX_v", "To all tokens, through the values that global tokens mixed.",
       "Về mọi token, qua các giá trị mà token toàn cục đã trộn.",
       "Ко всем токенам через значения, которые смешали глобальные."},
  };
  return table;
}

}  // namespace attune::explain
