#include "attune/explain/messages.h"

namespace attune::explain {

std::span<const Message> frame_messages() {
  static constexpr Message table[]{
      {"title.scaled_dot", "Scaled dot-product attention, every number",
       "Attention tích vô hướng có chia tỉ lệ: từng con số", "Внимание на скалярных произведениях: каждое число"},
      {"title.mean", "Mean mixing, every number", "Trộn bằng trung bình: từng con số", "Усреднение: каждое число"},
      {"title.additive", "Additive attention (Bahdanau), every number", "Attention cộng (Bahdanau): từng con số",
       "Аддитивное внимание (Bahdanau): каждое число"},
      {"title.dot", "Dot attention (Luong), every number", "Attention tích vô hướng (Luong): từng con số",
       "Внимание Luong, вариант dot: каждое число"},
      {"title.general", "General attention (Luong), every number", "Attention “general” (Luong): từng con số",
       "Внимание Luong, вариант general: каждое число"},
      {"title.concat", "Concat attention (Luong), every number", "Attention “concat” (Luong): từng con số",
       "Внимание Luong, вариант concat: каждое число"},
      {"title.location", "Location attention (Luong), every number", "Attention theo vị trí (Luong): từng con số",
       "Внимание Luong по позициям: каждое число"},
      {"title.local-m", "Local attention, monotonic window (Luong), every number",
       "Attention cục bộ, cửa sổ đơn điệu (Luong): từng con số",
       "Локальное внимание с монотонным окном (Luong): каждое число"},
      {"title.local-p", "Local attention, predicted window (Luong), every number",
       "Attention cục bộ, cửa sổ dự đoán (Luong): từng con số",
       "Локальное внимание с предсказанным окном (Luong): каждое число"},
      {"title.rnn", "A recurrent network, every number", "Mạng hồi quy (RNN): từng con số",
       "Рекуррентная сеть: каждое число"},
      {"title.gru", "GRU, every number", "GRU: từng con số", "GRU: каждое число"},
      {"title.lstm", "LSTM, every number", "LSTM: từng con số", "LSTM: каждое число"},
      {"title.convolution", "Gated convolution, every number", "Tích chập có cổng: từng con số",
       "Свёртка с вентилями: каждое число"},
      {"title.spatial_gating", "Spatial gating (gMLP), every number", "Cổng không gian (gMLP): từng con số",
       "Пространственные вентили (gMLP): каждое число"},
      {"introduction",
       "The calculation from the input to the loss and back, in float64. Beside every gradient stands its finite "
       "difference: the same forward is run again with one number moved a little, so that the two columns check each "
       "other.",
       "Toàn bộ phép tính, từ đầu vào đến hàm mất mát rồi lan truyền ngược, bằng số thực 64 bit. Cạnh mỗi gradient là "
       "sai phân hữu hạn: chạy lại đúng lượt xuôi ấy với một con số được xê dịch một chút, nên hai kết quả kiểm chứng "
       "lẫn nhau.",
       "Весь расчёт от входа до функции потерь и обратно, в числах двойной точности. Рядом с каждым градиентом стоит "
       "конечная разность: тот же прямой проход выполняется заново с одним слегка сдвинутым числом, так что значения "
       "проверяют друг друга."},
      {"introduction.unchecked",
       "The calculation from the input to the loss and back, in float64. The finite differences are left out: for an "
       "input of this size they would take too long.",
       "Toàn bộ phép tính, từ đầu vào đến hàm mất mát rồi lan truyền ngược, bằng số thực 64 bit. Phần sai phân hữu hạn "
       "được bỏ qua vì với đầu vào cỡ này phải tính quá lâu.",
       "Весь расчёт от входа до функции потерь и обратно, в числах двойной точности. Конечные разности опущены: для "
       "входа такого размера они заняли бы слишком много времени."},
      {"section.forward", "Forward", "Lượt xuôi", "Прямой проход"},
      {"section.model", "From the sentence", "Từ câu văn", "От предложения"},
      {"section.loss", "The loss", "Hàm mất mát", "Функция потерь"},
      {"section.backward", "Backward", "Lan truyền ngược", "Обратный проход"},
      {"section.update", "One step against the gradient", "Một bước ngược chiều gradient", "Один шаг против градиента"},
      {"word.value", "backward", "lan truyền ngược", "обратный проход"},
      {"word.finite_difference", "finite difference", "sai phân hữu hạn", "конечная разность"},
      {"word.largest_difference", "largest difference: {0}", "chênh lệch lớn nhất: {0}", "наибольшее расхождение: {0}"},
      {"word.head", "head {0}", "đầu {0}", "голова {0}"},
      {"word.elided", "{0} of {1} rows and {2} of {3} columns are shown; --format json has all.",
       "Chỉ hiện {0} trong {1} hàng và {2} trong {3} cột; xem đầy đủ bằng --format json.",
       "Показано строк: {0} из {1}, столбцов: {2} из {3}; целиком — в --format json."},
      {"word.first", "Written out for the first output; the others are alike.",
       "Viết chi tiết cho đầu ra thứ nhất; các đầu ra khác tương tự.",
       "Подробно выписан первый выход; остальные считаются так же."},
      {"word.columns_convention", "Tokens are columns here: every matrix is the transpose of the row form.",
       "Ở đây mỗi token là một cột: mọi ma trận là chuyển vị của dạng hàng.",
       "Здесь токены — столбцы: каждая матрица транспонирована относительно строчной записи."},
      {"word.tokens", "Tokens", "Các token", "Токены"},
      {"word.hidden", "“·”: hidden, never computed.", "“·”: bị che, không hề được tính.",
       "«·»: скрыто и не вычисляется."},
  };
  return table;
}

}  // namespace attune::explain
